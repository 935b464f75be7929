"""pre_types.py TOOL SHARED_DATA OUT.json (tokenizers 0.23.3): libllama's ids under every `tokenizer.ggml.pre` that vauban knows (src/text/gguf_pre.cpp).

TOOL: pre_types.cpp, built as README.md says for logits.cpp. Names whose ids are all alike stand together; of a group, only texts
whose ids differ from those of `gpt-2` are kept. Five groups have the ids of the published tokenizers' patterns instead (PUBLISHED), and
how many texts llama.cpp cuts otherwise.
"""
import collections, json, re, subprocess, sys, tempfile

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

TEXTS = [
    "Hello, world! I'LL don't we've she'd HE'S you'RE", "1234567 12 1.5e-10 2024-01-02 ٣٤٥٦ ²½Ⅷ①", "x=1;\n\n  y == x;\t// done\r\n\r\n",
    "camelCase HTTPServer snake_case kebab-case Ünïcödé ÀÉÎ", "你好，世界。日本語のテキスト カタカナ 한국어 문장", "สวัสดีชาวโลก नमस्ते दुनिया மொழி",
    "مرحبا بالعالم، كيف؟ שלום עולם", "e\u0301 a\u0308 \u0939\u093f\u0928\u094d\u0926\u0940", "👋🏽 👨‍👩‍👧 🇩🇪 \u2764\ufe0f", "   leading and trailing   ", "\n\n\n", " \t \n \t",
    "a/b/c //path/to http://x.y/z?q=1&r=2#f", "(a)[b]{c}<d>|e|`f`~g~^h$i+j", "don’t ‘quote’ “double” — dash … dots", "tabs\tand\u00a0nbsp\u3000ideographic",
    "ALLCAPS lower Title mIxEd 3D 4k v2.0b1", "'s 't 're 've 'm 'll 'd 'S 'T", "price: $1,234.56 or €99", "ǅ ǈ ŉ ß İ ı", "\u0300alone ـ ʰʲ ª º",
    "function f(){return a>=b&&c||!d;}\n\tif (x) {\n\t}\n", "0000001 000 00 0 12345678901234567890", ";\n\n", " );\n\n\n", "\n\n\n\n", " \n\n \n", "}\r\n\r\n",
    "\u2028line\u2029par\u0085nel\u000bvt\u000cff",
]


# The patterns of the published tokenizers (tokenizer.json; Kimi: tokenization_kimi.py), where llama.cpp's own differ from them: its
# classes know no case outside ASCII, o200k's leave out marks.
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
ENGLISH = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"


def cased(end, also=""):
    upper, lower = f"[{UPPER}{also}]", f"[{LOWER}{also}]"
    return rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{end}|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{end}|"


O200K = cased(ENGLISH) + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES
PUBLISHED = {
    "gpt-4o": [O200K],
    "tekken": [cased("") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", O200K],
    "kimi-k2": [r"[\p{Han}]+|" + cased(ENGLISH, r"&&[^\p{Han}]") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"],
}


def published(patterns, tokens, merges, texts, ignore_merges):
    """Ids of Hugging Face's tokenizers."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(m.split(" ")) for m in merges], ignore_merges=ignore_merges))
    cuts = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return [tokenizer.encode(text).ids for text in texts]


def letters():
    """GPT-2's letter for every byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in shown]
    return {**{b: chr(b) for b in shown}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def trained(texts):
    """Merges over whole texts, uncut, until each is one token: wherever a cut falls, the tokens change."""
    letter = letters()
    words = [[letter[b] for b in text.encode()] for text in texts]
    merges = []
    while True:
        counts = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        if not counts:
            return [*letter.values(), *dict.fromkeys("".join(m) for m in merges)], merges
        left, right = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append((left, right))
        for word in words:
            at = 0
            while at + 1 < len(word):
                if word[at] == left and word[at + 1] == right:
                    word[at : at + 2] = [left + right]
                at += 1


def main(tool, shared, out):
    pool = json.load(open(f"{shared}/tokenizers/trained/components/pool.json"))
    texts = [t for t in TEXTS + pool if t and "\0" not in t]
    tokens, merges = trained(texts)
    merges = [" ".join(m) for m in merges]
    source = open(re.sub(r"tests/peers/.*", "src/text/gguf_pre.cpp", __file__)).read()
    names = re.findall(r'GgufPreType\{"([^"]+)"', source)
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in {"tokens": tokens, "merges": merges}.items():
            open(f"{folder}/{name}", "w").write("".join(line + "\n" for line in lines))
        open(f"{folder}/texts", "wb").write("".join(t + "\0" for t in texts).encode())
        command = [tool, f"{shared}/tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf", *(f"{folder}/{n}" for n in ("tokens", "merges", "texts")), *names]
        lines = subprocess.run(command, capture_output=True, text=True).stdout
    answers = {row["pre"]: row.get("ids") for row in map(json.loads, lines.splitlines())}
    plain, groups = answers["gpt-2"], {}
    for name in names:
        groups.setdefault(json.dumps(answers.get(name)), []).append(name)
    result = {"tokens": tokens, "merges": merges, "texts": texts, "gpt-2": plain, "groups": []}
    for ids, members in groups.items():
        ids = json.loads(ids)
        other = None if ids is None else {str(i): row for i, row in enumerate(ids) if row != plain[i]}
        group = {"names": members, "ids": other}
        if members[0] in PUBLISHED:
            own = published(PUBLISHED[members[0]], tokens, merges, texts, members[0] == "tekken")
            group["llama_cpp_differs"] = sum(a != b for a, b in zip(own, ids))
            group["ids"] = {str(i): row for i, row in enumerate(own) if row != plain[i]}
        result["groups"].append(group)
    json.dump(result, open(out, "w"), separators=(",", ":"))
    for group in result["groups"]:
        print(len(group["ids"]) if group["ids"] is not None else "refused", ", ".join(group["names"]), group.get("llama_cpp_differs", 0))


main(*sys.argv[1:])
