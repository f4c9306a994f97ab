// Takes of one moment under one picture: a sound at a time, and the picture follows it.

// Seconds between two looks at the picture; farther off than FAR it jumps, nearer than NEAR it is
// left alone, between them it runs faster or slower for PULL seconds.
const LOOK = 0.1;
const FAR = 0.25;
const NEAR = 0.015;
const PULL = 0.4;
// A list that starts to play silences the others of the page.
const STARTED = "foley-takes-started";

export class TakesClock {
  // onChange() after whatever changes what is shown.
  constructor({ video, onChange }) {
    Object.assign(this, { video, onChange });
    this.sounds = [];
    this.index = 0;
    this.playing = false;
    this.loop = true;
    // Whether there is a picture, and whether there was one that cannot be played.
    this.seen = false;
    this.unseen = false;
    this.life = new AbortController();
    const { signal } = this.life;
    video.addEventListener("error", () => this.#unseen(), { signal });
    video.addEventListener("loadeddata", () => this.#follow(true), { signal });
    document.addEventListener(
      STARTED, (event) => event.detail !== this && this.pause(), { signal });
  }

  get sound() {
    return this.sounds[this.index];
  }

  get time() {
    return this.sound?.currentTime ?? 0;
  }

  get duration() {
    const seconds = this.sound?.duration;
    return Number.isFinite(seconds) ? seconds : 0;
  }

  // urls of the sounds, and of the picture or null.
  load(urls, picture) {
    this.pause();
    this.sounds.forEach(release);
    // More at once would take all connections that a browser has to the server.
    const preload = urls.length > 9 ? "metadata" : "auto";
    this.sounds = urls.map((url) => this.#sound(url, preload));
    this.index = 0;
    this.seen = picture != null;
    this.unseen = false;
    if (this.seen) this.video.src = picture;
    else release(this.video);
    this.onChange();
  }

  #sound(url, preload) {
    const sound = document.createElement("audio");
    sound.preload = preload;
    sound.addEventListener("ended", () => sound === this.sound && this.#ended());
    for (const news of ["durationchange", "error"]) {
      sound.addEventListener(news, () => sound === this.sound && this.onChange());
    }
    sound.src = url;
    return sound;
  }

  #unseen() {
    if (!this.seen || !this.video.hasAttribute("src")) return;
    this.seen = false;
    this.unseen = true;
    release(this.video);
    this.onChange();
  }

  // Another take from the same moment on.
  switchTo(index) {
    const before = this.sound;
    if (!this.sounds[index] || index === this.index) return;
    const time = this.time;
    this.index = index;
    this.sound.currentTime = time;
    if (this.playing) this.#start();
    before.pause();
    this.onChange();
  }

  play() {
    if (!this.sound) return;
    if (this.duration && this.time >= this.duration) this.seek(0);
    this.playing = true;
    document.dispatchEvent(new CustomEvent(STARTED, { detail: this }));
    this.#start();
    this.#follow(true);
    clearInterval(this.timer);
    this.timer = setInterval(() => this.#look(), LOOK * 1000);
    this.onChange();
  }

  #start() {
    const sound = this.sound;
    // A browser may forbid it, and a pause may come first: neither is news.
    sound.play().catch(() => {
      if (this.playing && sound === this.sound && sound.paused) this.pause();
    });
    if (this.seen && this.video.paused) this.video.play().catch(() => {});
  }

  pause() {
    clearInterval(this.timer);
    if (!this.playing) return;
    this.playing = false;
    this.sound?.pause();
    this.video.pause();
    this.#follow(true);
    this.onChange();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(seconds) {
    if (!this.sound) return;
    this.sound.currentTime = Math.max(0, Math.min(seconds, this.duration));
    this.#follow(true);
    this.onChange();
  }

  #ended() {
    if (!this.playing) return;
    if (!this.loop) return this.pause();
    this.sound.currentTime = 0;
    this.#follow(true);
    this.#start();
  }

  #look() {
    this.#follow(false);
    this.onChange();
  }

  // Brings the picture to the sound's moment; exact: by a jump, however near it is.
  #follow(exact) {
    const { video } = this;
    if (!this.seen || video.readyState < 1 || (video.seeking && !exact)) return;
    // A picture that is shorter stays on its last frame.
    const last = Math.max(0, video.duration - 0.001);
    const ahead = video.currentTime - Math.min(this.time, last);
    if (Math.abs(ahead) > (exact ? NEAR : FAR)) {
      video.currentTime = Math.min(this.time, last);
      video.playbackRate = 1;
    } else {
      const left = Math.abs(ahead) < NEAR || !this.playing;
      video.playbackRate = left ? 1 : 1 - ahead / PULL;
    }
    if (this.playing && video.paused && this.time < last) video.play().catch(() => {});
  }

  // Silence, and no file held any more.
  end() {
    this.pause();
    this.life.abort();
    this.sounds.forEach(release);
    this.sounds = [];
    this.seen = false;
    release(this.video);
  }
}

function release(media) {
  media.pause();
  media.removeAttribute("src");
  media.load();
}
