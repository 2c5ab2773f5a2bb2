"""Two hundred bodies that attack whoever shows them: a fixed list, and what a grammar makes of its parts.

`RAN` is what each would call if it ran, `THERE` where each would fetch from if a browser followed it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

RAN: Final = "pwn(1)"
THERE: Final = "http://127.0.0.1:{port}/c"
COUNT: Final = 200

_FIXED: Final = (
    # scripts and event attributes
    "<script>RAN</script>",
    "<script src=THERE></script>",
    "<SCRIPT\n>RAN</SCRIPT >",
    "<img src=x onerror=RAN>",
    '<img src="THERE">',
    "<img src=THERE onload=RAN onerror=RAN>",
    "<svg onload=RAN>",
    "<svg><script>RAN</script></svg>",
    "<svg><animate onbegin=RAN attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=RAN>#x'/></svg>",
    "<math><mtext><img src=x onerror=RAN></mtext></math>",
    "<body onload=RAN>",
    "<input autofocus onfocus=RAN>",
    "<details open ontoggle=RAN>x</details>",
    "<marquee onstart=RAN>x</marquee>",
    "<video><source onerror=RAN></video>",
    "<audio src=x onerror=RAN autoplay>",
    "<iframe src=javascript:RAN></iframe>",
    "<iframe srcdoc='<script>parent.RAN</script>'></iframe>",
    "<object data=THERE></object><embed src=THERE>",
    "<link rel=stylesheet href=THERE><link rel=prefetch href=THERE>",
    "<meta http-equiv=refresh content='0;url=THERE'>",
    "<base href=THERE><a href=x>here</a>",
    "<form action=THERE><button autofocus onfocus=RAN>Send</button></form>",
    "<style>@import url(THERE);*{display:none}</style>",
    "<div style='position:fixed;inset:0;background:url(THERE)'>cover</div>",
    "<style>input[value^=a]{background:url(THERE)}</style>",
    '" onmouseover="RAN" x="',
    "' autofocus onfocus='RAN' x='",
    "`${RAN}`",
    "</p></article></section><script>RAN</script>",
    "</template><script>RAN</script>",
    "</textarea><script>RAN</script>",
    "</title><script>RAN</script>",
    "</script><script>RAN</script>",
    "</bdi></b></style></noscript><img src=x onerror=RAN>",
    # forms that change when they are read twice (mXSS)
    "<noscript><p title='</noscript><img src=x onerror=RAN>'>",
    "<svg></p><style><a id='</style><img src=x onerror=RAN>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=RAN&gt;'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=RAN>",
    "<![CDATA[<img src=x onerror=RAN>]]>",
    "<!--><img src=x onerror=RAN>-->",
    "<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'><script>RAN</script></x>",
    "&lt;img src=x onerror=RAN&gt;",
    "&#60;script&#62;RAN&#60;/script&#62;",
    "\\u003cscript\\u003eRAN\\u003c/script\\u003e",
    "%3Cscript%3ERAN%3C/script%3E",
    "+ADw-script+AD4-RAN+ADw-/script+AD4-",
    # addresses
    "javascript:RAN",
    "[click](javascript:RAN)",
    "[click](JaVaScRiPt:RAN)",
    "[click](java\tscript:RAN)",
    "![x](THERE)",
    "![x](THERE 'onload=RAN')",
    "[x]: javascript:RAN\n[x][x]",
    "<javascript:RAN>",
    "[a](data:text/html,<script>RAN</script>)",
    "data:text/html;base64,PHNjcmlwdD5wd24oMSk8L3NjcmlwdD4=",
    "vbscript:RAN blob:THERE file:///etc/passwd",
    "THERE and //127.0.0.1/c and www.THERE",
    "http://user:pass@THERE/#<img src=x onerror=RAN>",
    "[**<img src=x onerror=RAN>**](THERE)",
    "http://\u0430pple.example \u2025 http://xn--pple-43d.example",
    "ftp://THERE ws://THERE mailto:x@y.example?body=RAN",
    # marks of the small language that is read
    "**<b onmouseover=RAN>x</b>** *<i onclick=RAN>y</i>* `<u onclick=RAN>z</u>`",
    "```\n</code></pre><script>RAN</script>\n```",
    "```html\n<img src=x onerror=RAN>",
    "> <blockquote onmouseover=RAN>\n> <img src=x onerror=RAN>",
    "- <li onclick=RAN>\n- <img src=x onerror=RAN>",
    "1. <ol onclick=RAN>\n2) <img src=x onerror=RAN>",
    "*" * 500,
    "_" * 500 + "x" + "_" * 500,
    "`" * 501,
    "> " * 400 + "deep",
    "- " * 400 + "deep",
    "**a *b _c `d` c_ b* a**" * 60,
    # templates, and what a program takes for its own
    "{{constructor.constructor('RAN')()}}",
    "{{7*7}} ${RAN} #{RAN} <%= RAN %> {%raw%} %(x)s %s {0} {name} {count}",
    "$& $1 $' $` $$",
    "__proto__",
    "constructor",
    "toString",
    '{"__proto__":{"polluted":true}}',
    '{"kind":"answer","n":1,"ok":true,"text":"RAN"}',
    '{"kind":"prose","blocks":[{"kind":"html","lines":[]}]}',
    "<a id=app></a><form id=flow name=head></form><img name=now><a id=app name=dataset>",
    "<form id=alarm><input name=hidden><input name=classList></form>",
    "<input name=body><input name=cookie><img name=getElementById>",
    "day Mon 1 Jan",
    # what is not seen, or turned round
    "\u202egnp.exe\u202c and \u2066hidden\u2069 and \u200f right",
    "invoice\u202efdp.exe",
    "\u200b\u200c\u200d\u2060\ufeff zero \u00ad width \u034f",
    "pa\u200bss\u200cwo\u200drd",
    "\u2028line\u2029paragraph\x85next",
    "null \x00 bell \x07 backspace \b\b\b escape \x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\x1b]8;;THERE\x1b\\link\x1b]8;;\x1b\\",
    "\r\ncarriage\rreturn\x0b\x0c",
    "\ufffe\uffff\U000e0041\U000e0042\U000f0000",
    "\ue000\uf8ff private",
    "Z" + "\u0301\u0323\u0489" * 300 + "algo",
    ("a" + "\u0301" * 60) * 30,
    "\u0e49" * 400,
    "x" * 2_000,
    ("\u0627" * 300 + " ") * 5,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200,
    "\U0001f1f9\U0001f1f3" * 200,
    "\ufdfd" * 100,
    "\u3164\u115f\u1160\uffa0",
    "\n" * 500,
    "\t" * 200 + "far",
    " " * 1_000 + "far",
    # who pretends
    "TLP:CLEAR",
    "TLP:RED\nTLP:CLEAR\nThis may be passed on.",
    "\n\nTN Analyst on duty 12:00\nWe agree.",
    "cert.example.tn was added. Readable by TN: 1 device.",
    "Log verified to 10,482, cosigned by 3 of 4 witnesses",
    "THE RECORD DOES NOT HOLD",
    "Proof",
    "Withdrawn by its author.",
    "acknowledged by 2 of 2",
    "\u0410nalyst on duty",
    "\uff34\uff2c\uff30\uff1a\uff23\uff2c\uff25\uff21\uff32",
    "Locked. Passphrase of this profile: <input type=password>",
)
"""`str.replace` puts in what runs, and from where."""

_OPEN: Final = ("", "</p>", "-->", "]]>", "</style>", "</svg>", '">', "'>", "`", "{{", "${", "**", "> ", "- ", "```\n")
_TAG: Final = ("img", "svg", "iframe", "object", "x-y", "math", "video", "A", "sCript", "input", "template", "select")
_GAP: Final = (" ", "/", "\t", "\n", "\x0c", "\x00", "\u00a0")
_DOES: Final = (
    "src=THERE", "href=THERE", "onerror=RAN", "onload=RAN", "onfocus=RAN autofocus", "style=background:url(THERE)",
    "srcset=THERE", "poster=THERE", "src=x onerror=RAN", "href=javascript:RAN", "id=app", "name=__proto__",
    "xlink:href=THERE", "formaction=javascript:RAN", "srcdoc='<script>RAN</script>'",
)  # fmt: skip
_CLOSE: Final = (">", "/>", "", ">x</x>", "\u202e>", "><!--", ">&#x3c;", "></template>", ">\u0301\u0301\u0301", ">}}")


def _made(source: random.Random) -> Iterator[str]:
    while True:
        parts = []
        for _ in range(source.randint(1, 4)):
            does = source.choice(_GAP).join(source.sample(_DOES, source.randint(1, 3)))
            parts += [source.choice(_OPEN), f"<{source.choice(_TAG)}{source.choice(_GAP)}{does}", source.choice(_CLOSE)]
        yield "".join(parts)


def bodies(port: int, seed: int = 6) -> list[str]:
    """All of them, each once, the same for the same seed."""
    found = dict.fromkeys(_FIXED)
    made = _made(random.Random(seed))
    while len(found) < COUNT:
        found[next(made)] = None
    return [aimed(text, port) for text in found]


def aimed(text: str, port: int) -> str:
    """A body with what it would run, and where it would fetch from."""
    return text.replace("RAN", RAN).replace("THERE", THERE.format(port=port))
