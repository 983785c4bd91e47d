"""What the members are asked: prompts, held-out documents, and strings that break tokenizers."""

# ruff: noqa: RUF001

PROMPTS = {
    "english, short": "The moon",
    "english": "It was a dark night, and the old man had not slept since the ship left harbour.",
    "chinese": "却说那日天色已晚，众人都散了。",
    "code": "def area(width, height):\n    return width * height\n\n\nprint(area(3, 14))\n",
}

HELD_OUT = [
    PROMPTS["english"] + " He lit a lamp, sat down, and began to count what was left: 12, 7, 3.\n",
    "第一回　天色渐暗，月出东山。老人点灯，慢慢地数着剩下的铜钱。\n" * 3,
    "for i in range(10):\n\tif i % 2:\n\t\tprint(f'{i} is odd')\n",
    "a",
    "Let $x^2 + 1 = 0$. Then $x = \\pm i$, which no real number equals.\n" * 4,
]

# Without the name of a special token: as text these are split like anything else.
PLAIN_STRINGS = [
    "a",
    " ",
    "   leading and trailing   ",
    "\n",
    "\r\n\r\n  \n\t\tx\n",
    "tabs\tand  two spaces\n\n\nthree newlines",
    "I'll we've IT'S don't 'tis rock'n'roll it'sabout IT'SABOUT 'SABOUT",
    "line\nline\r\nline.\n\nend.\n\nend.\n",
    "1234567890 3.14159 1,000,000 ٣٤٥ Ⅻ ½ x²",
    "却说那日天色已晚，众人都散了。第1回",
    "日本語とカタカナ 한국어 ไทย עברית العربية हिन्दी",
    "naïve café ÅÅ ﬁ ẞ İ ǆ",
    "👍🏽 👩‍👩‍👧‍👦 🇨🇳 🏴‍☠️",
    "zero\u200bwidth\u200djoiner\ufeffbom\u00a0nbsp\u2028line\u3000wide",
    "control \x00\x01\x1b[0m\x7f",
    "def f(x):\n    return x**2  # ok\n",
    "<|not_a_token|> <|im_start </s> [INST]",
    "!!!???...,,,---___===+++",
    "https://example.org/a?b=c&d=%20#e",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f9ff \U0010fffd",
    "a" * 80,
    " \n \n  \n   x   \n",
]

# farthing reads these as ordinary text; others have to be told not to take them for tokens.
SPECIAL_STRINGS = [
    "<|endoftext|>",
    "before<|im_start|>user\n<|im_end|>after<|pad|>",
]
