"""Sixty texts and pairs that a WordPiece tokeniser gets wrong easily; written for this purpose. Not run by itself."""

ENGLISH = [
    "Hello, world!",
    "A gripping film: two hours went by like ten minutes.",
    "I wouldn't watch it again; it's neither funny nor sad.",
    "The quick brown fox jumps over the lazy dog",
    "UPPER CASE and MiXeD CaSe Words",
    "Unbelievably, the antidisestablishmentarians reorganised themselves.",
    "e-mail me at someone@example.com or see https://example.com/a?b=c&d=%20#top",
    "3.14159 is about 22/7, 1,000,000 is 10^6 and 50% of $19.99 is €9.995",
    "C++ and C# are not F#; x = y * (a + b) / c - d[0] ** 2 != {1: 'one'}",
    "snake_case camelCase kebab-case PascalCase SCREAMING_SNAKE",
    "She said: \"It's 'quoted' twice\"... and left?!",
    "Dr. Smith lives at 42 Elm St., Apt. 7b, since Jan. 1st 1999.",
    "colour favourite tokenisation transformer fine-tuning",
    "one\ttab, one\nnew line,\r\none carriage return",
    "aaa bbb ccc ddd eee fff ggg hhh iii jjj kkk lll mmm nnn ooo ppp qqq rrr sss ttt uuu vvv www xxx yyy zzz "
    "and then some more words so that this text is cut in the middle",
]
CHINESE = [
    "这部电影很好看。",
    "送餐太慢了\uff0c饭都凉了\uff01",
    "我爱北京天安门",
    "中文English混排123测试",
    "繁體中文與简体中文",
    "「引号」和\uff08全角括号\uff09\uff0c以及、顿号……",
    "𠀀𠀁 are rare characters",
    "日本語のテキスト、カタカナとひらがな",
    "한국어 문장입니다.",
    "全角\uff21\uff22\uff23\uff11\uff12\uff13",
]
MARKS = [
    "Café, naïve, résumé, coöperate, Ångström",
    "Cafe\u0301 written with a combining accent",
    "Straße, Łódź, Ħal, Øre, æther, œuvre",
    "İstanbul ve ISPARTA: ı i I İ",
    "Ελληνικά και Ὀδυσσεύς",
    "Привет, мир! Ёлка и йод",
    "שלום עולם, עִבְרִית",
    "مرحبا بالعالم، العَرَبِيَّة",
    "हिन्दी में एक वाक्य",
    "ภาษาไทยไม่มีช่องว่าง",
    "Tiếng Việt có nhiều dấu",
    "Zalgo: z̸̢a̶l̷g̴o̵",
]
EMOJI = [
    "I love it 😍😍 10/10",
    "👩‍👩‍👧‍👦 family, 👍🏽 thumbs, 🇨🇳 flag, ❤️ heart",
    "☕ and ♫ and ™ and © and ½ and ²",
]
CONTROL = [
    "",
    " ",
    " \t\n\r ",
    "  leading and trailing   and   inner   spaces  ",
    "nul\u0000 bell\u0007 escape\u001b delete\u007f c1\u0085 end",
    "zero\u200bwidth\u200cjoiner\u200d soft\u00adhyphen bom\ufeff replacement\ufffd",
    "no\u00a0break thin\u2009space ideographic\u3000space line\u2028separator",
    "left\u200eto\u200fright \u202eoverride\u202c private\ue000use",
]
WORDS = [
    "a" * 99 + " " + "a" * 100 + " " + "a" * 101,
    "x" * 250,
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "[CLS] already [SEP] marked [MASK] text [PAD] [UNK] [cls] [Mask]",
    "##ing ## # ##s un##able",
    "...!!!???---___***",
]
LONG = (
    " which has to lose its last words when both are cut to thirty-two tokens, is it not so, dear reader of this line?"
)
PAIRS = [
    ("Is it raining?", "Yes, it is raining."),
    ("Short.", "A much longer second sentence" + LONG),
    ("A much longer first sentence" + LONG, "Short."),
    (
        "Both of these are long enough that each of them must give up some of its words before they fit",
        "into the thirty-two places which a pair may use together with its three special tokens, no more",
    ),
    ("", "The first text is empty"),
    ("这家餐厅怎么样\uff1f", "味道不错\uff0cbut a bit expensive 💸"),
]
TEXTS = ENGLISH + CHINESE + MARKS + EMOJI + CONTROL + WORDS + PAIRS
