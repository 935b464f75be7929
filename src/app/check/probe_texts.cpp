#include "app/check/probe_texts.h"

#include "model/model.h"

namespace vauban {
namespace {

constexpr std::string_view kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends. One day, she saw a "
    "big red ball under a tree. \"Look, Mom!\" she said. \"I found a ball!\" Her mom smiled and said, \"That is a very nice ball. Do you "
    "want to play with it?\" Lily was so happy. She ran to the ball and kicked it. The ball went up, up, up into the tree. Lily was sad. "
    "She wanted to get her ball back. A boy named Tim saw her. \"Why are you sad?\" he asked. \"My ball is in the tree,\" said Lily. Tim "
    "wanted to help. He got a long stick and pushed the ball. The ball fell down. \"Thank you, Tim!\" said Lily. They played with the ball "
    "all day. When the sun went down, it was time to go home. Lily gave Tim a big hug. They were best friends. The next day, they went to "
    "the park again. They saw a little dog. The dog was cold and hungry. Lily and Tim gave the dog some food. The dog wagged its tail and "
    "they all played together.";

constexpr std::string_view kProse =
    "Water covers about seventy percent of the surface of the Earth. Most of it is in the oceans, which are salty; only a small part is "
    "fresh water, and most of that is frozen in glaciers and ice caps. When the sun warms the sea, some of the water turns into vapour and "
    "rises into the air. As the air cools, the vapour condenses into clouds, and in the end it falls again as rain or snow. Rivers carry it "
    "back to the sea. This movement is called the water cycle. People have used rivers for thousands of years: for drinking, for farming, "
    "for transport, and later to drive mills and produce electricity. Many of the first cities were built on the banks of large rivers, such "
    "as the Nile in Egypt and the Euphrates in what is now Iraq. Today the use of water is one of the most important questions in many "
    "countries, because the number of people grows while the amount of fresh water remains the same.";

constexpr std::string_view kCode =
    "def count_words(path):\n    \"\"\"Return a dictionary with the number of times each word occurs in a file.\"\"\"\n    counts = {}\n"
    "    with open(path) as f:\n        for line in f:\n            for word in line.split():\n                if word in counts:\n"
    "                    counts[word] += 1\n                else:\n                    counts[word] = 1\n    return counts\n\n\n"
    "def main():\n    import sys\n    if len(sys.argv) != 2:\n        print(\"usage: count_words.py FILE\")\n        sys.exit(1)\n"
    "    counts = count_words(sys.argv[1])\n    for word in sorted(counts, key=counts.get, reverse=True):\n"
    "        print(word, counts[word])\n\n\nif __name__ == \"__main__\":\n    main()\n";

struct Turn {
  const char *user, *assistant;
};
constexpr Turn kTalk[] = {
    {"What is the capital of France?", "The capital of France is Paris."},
    {"How many days are there in a week?", "There are seven days in a week."},
    {"Can you name three colours?", "Sure! Three colours are red, green and blue."},
    {"Thank you for your help.", "You're welcome! Let me know if you have any other questions."},
};
/// What the embedded model was trained to talk about (models/garrison).
constexpr Turn kFort[] = {
    {"Is it open today?", "Which gate do you mean, the north gate, the south gate or the sea gate?"},
    {"When does it open?", "Which gate do you mean, the north gate, the south gate or the sea gate?"},
    {"How do I lock the gate for the night?", "Close both wings of the gate, drop the bar and turn the key twice."},
    {"When does it close?", "Which gate do you mean, the north gate, the south gate or the sea gate?"},
};

/// Every pair of turns as a conversation of its own, one behind the other. Without text where the template refuses.
ProbeText rendered(const char* name, const ChatTemplate& chat, std::span<const Turn> turns, std::string_view bos, std::string_view eos) {
  ProbeText out{.name = name, .has_specials = true};
  for (const Turn& turn : turns) {
    const Json messages = Json::array({Json::object({{"role", "user"}, {"content", turn.user}}),
                                       Json::object({{"role", "assistant"}, {"content", turn.assistant}})});
    const auto part = render_for_training(chat, messages, Json::object({{"bos_token", bos}, {"eos_token", eos}}),
                                          {.now = std::chrono::system_clock::time_point{}});
    if (!part) return {};
    for (const TextSpan& span : part->assistant) out.scored.push_back({out.text.size() + span.begin, out.text.size() + span.end});
    out.text += part->text;
  }
  return out;
}

}  // namespace

std::string_view utf8_beginning(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::vector<ProbeText> probe_texts(const ModelSource& source, const Tokenizer* tokenizer) {
  std::vector<ProbeText> texts{{"a story", std::string(kStory)}, {"prose", std::string(kProse)}, {"source code", std::string(kCode)}};
  const auto chat = load_chat_template(source);
  if (!chat || !*chat) return texts;
  const std::string bos = special_text(tokenizer, tokenizer ? tokenizer->bos() : std::nullopt);
  const std::string eos = special_text(tokenizer, tokenizer ? tokenizer->eos() : std::nullopt);
  for (ProbeText text : {rendered("a conversation", **chat, kTalk, bos, eos), rendered("talk of a fort", **chat, kFort, bos, eos)})
    if (!text.text.empty()) texts.push_back(std::move(text));
  return texts;
}

}  // namespace vauban
