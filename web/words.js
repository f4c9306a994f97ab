// What the pack's own widgets say, in the languages of its nodes.
import { TIMELINE_WORDS } from "./timeline_words.js";

// The figures of a take's rank, as nodes/ranked.py gives them, in words; the command line says the
// same (core/ranking.py). say: the parts of a language.
function reasonIn(figures, say) {
  const parts = [];
  if (figures.hits !== undefined) {
    const { hits, in_time: found, late_ms: late, extra } = figures;
    const missed = hits - found;
    const sync = [];
    if (!hits) sync.push(say.unseen);
    else if (missed > 0.25 * hits) sync.push(say.misses(missed, hits));
    else if (missed || hits === 1) sync.push(say.some(found, hits));
    else sync.push(say.all(hits));
    if (found && Math.abs(late) >= 10) sync.push(say.late(Math.round(Math.abs(late)), late > 0));
    if (extra) sync.push(say.extra(extra));
    parts.push(sync.join(say.comma));
  }
  const off = Math.round(Math.abs(figures.off));
  if (figures.silent) parts.push(say.silent);
  else if (Math.abs(figures.off) <= 1) parts.push(say.even);
  else parts.push(say.level(off, figures.off > 0));
  if (figures.clips) parts.push(say.clips);
  return parts.join(say.semicolon);
}

const REASONS = {
  en: {
    comma: ", ",
    semicolon: "; ",
    unseen: "no hit was seen",
    misses: (missed, hits) => `misses ${missed} of ${hits} hits`,
    some: (found, hits) => `${found} of ${hits} hits in time`,
    all: (hits) => `all ${hits} hits in time`,
    late: (ms, isLate) => `${ms} ms ${isLate ? "late" : "early"}`,
    extra: (count) => `${count} too many`,
    silent: "silent",
    even: "level even",
    level: (units, isLouder) => `${units} LU ${isLouder ? "louder" : "quieter"}`,
    clips: "clips",
  },
  zh: {
    comma: "，",
    semicolon: "；",
    unseen: "画面中没有看到撞击",
    misses: (missed, hits) => `${hits} 次撞击漏了 ${missed} 次`,
    some: (found, hits) => `${hits} 次撞击中 ${found} 次合拍`,
    all: (hits) => `${hits} 次撞击全部合拍`,
    late: (ms, isLate) => `${isLate ? "晚" : "早"} ${ms} 毫秒`,
    extra: (count) => `多出 ${count} 次`,
    silent: "无声",
    even: "音量平稳",
    level: (units, isLouder) => `${isLouder ? "响" : "轻"} ${units} LU`,
    clips: "削波",
  },
};

const WORDS = {
  en: {
    takes: "Takes",
    take: (number) => `Take ${number}`,
    ranked: (number, place, reason) => `Take ${number}, place ${place}: ${reason}`,
    reason: (figures) => reasonIn(figures, REASONS.en),
    play: "Play",
    pause: "Pause",
    loop: "Play again from the start at the end",
    position: "Position",
    empty: "Run the graph to hear the takes here.",
    keys: "1 to 9 pick a take, arrows switch at the same moment, space plays and pauses",
    lost: "This take can no longer be played: run the graph again.",
    unseen: "The picture cannot be played here; the takes can.",
    own: " (the model's own)",
    range: "Range",
    line: "Waveform",
    rangeStart: "Start of the range",
    rangeStop: "End of the range",
    fromTo: ({ start, stop }) =>
      `${start.toFixed(3)} – ${stop.toFixed(3)} s (${(stop - start).toFixed(3)} s)`,
    drag: "Drag to choose a range.",
    runOnce: "Run once to see the sound.",
    clear: "No range",
    again: "Play again and again",
    wired: "The range comes over a wire.",
    unread: "The range that was here cannot be read: draw another one.",
    beyond: "The range ends after the sound.",
    soundLost: "The sound can no longer be played: run the graph again.",
    rangeKeys: "Drag to draw a range, drag its edges or its middle; Shift: no snapping to onsets. "
      + "Double-click or Escape: no range. Wheel: zoom, Shift and wheel: scroll. Space: play. "
      + "Tab: other edge, arrows: 10 ms, with Shift 100 ms. I and O: start and end at the playhead.",
  },
  zh: {
    takes: "各条声音",
    take: (number) => `第 ${number} 条`,
    ranked: (number, place, reason) => `第 ${number} 条，第 ${place} 名：${reason}`,
    reason: (figures) => reasonIn(figures, REASONS.zh),
    play: "播放",
    pause: "暂停",
    loop: "到结尾后从头再放",
    position: "位置",
    empty: "运行后可在此试听各条声音。",
    keys: "1 至 9 选择一条，方向键在同一时刻切换，空格播放或暂停",
    lost: "这一条已无法播放：请重新运行。",
    unseen: "此处无法播放画面，但可以试听声音。",
    own: "（模型自带）",
    range: "范围",
    line: "波形",
    rangeStart: "范围的开始",
    rangeStop: "范围的结束",
    fromTo: ({ start, stop }) =>
      `${start.toFixed(3)} – ${stop.toFixed(3)} 秒（${(stop - start).toFixed(3)} 秒）`,
    drag: "拖动以选择范围。",
    runOnce: "运行一次即可看到声音。",
    clear: "不选范围",
    again: "循环播放",
    wired: "范围来自连线。",
    unread: "这里的范围无法读取：请重新选择。",
    beyond: "范围超出了声音的结尾。",
    soundLost: "声音已无法播放：请重新运行。",
    rangeKeys: "拖动选择范围，可拖动边缘或中间；按住 Shift 不吸附到起音。双击或 Esc：不选范围。"
      + "滚轮：缩放，Shift 加滚轮：左右移动。空格：播放。Tab：另一边缘，方向键：10 毫秒，加 Shift 为 "
      + "100 毫秒。I 和 O：把开始和结束设在播放头处。",
  },
};

function inLanguage(words, locale) {
  return words[String(locale ?? "en").split("-")[0]] ?? words.en;
}

// The words of a locale such as "zh" or "zh-TW"; English where there are none.
export function wordsOf(locale) {
  return inLanguage(WORDS, locale);
}

// The same with those of the timeline.
export function timelineWordsOf(locale) {
  return { ...inLanguage(WORDS, locale), ...inLanguage(TIMELINE_WORDS, locale) };
}
