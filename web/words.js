// What the pack's own widgets say, in the languages of its nodes.
const WORDS = {
  en: {
    takes: "Takes",
    take: (number) => `Take ${number}`,
    play: "Play",
    pause: "Pause",
    loop: "Play again from the start at the end",
    position: "Position",
    empty: "Run the graph to hear the takes here.",
    keys: "1 to 9 pick a take, arrows switch at the same moment, space plays and pauses",
    lost: "This take can no longer be played: run the graph again.",
    unseen: "The picture cannot be played here; the takes can.",
    own: " (the model's own)",
  },
  zh: {
    takes: "各条声音",
    take: (number) => `第 ${number} 条`,
    play: "播放",
    pause: "暂停",
    loop: "到结尾后从头再放",
    position: "位置",
    empty: "运行后可在此试听各条声音。",
    keys: "1 至 9 选择一条，方向键在同一时刻切换，空格播放或暂停",
    lost: "这一条已无法播放：请重新运行。",
    unseen: "此处无法播放画面，但可以试听声音。",
    own: "（模型自带）",
  },
};

// The words of a locale such as "zh" or "zh-TW"; English where there are none.
export function wordsOf(locale) {
  return WORDS[String(locale ?? "en").split("-")[0]] ?? WORDS.en;
}
