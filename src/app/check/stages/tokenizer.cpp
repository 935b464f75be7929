/// Does text come back from ids, do ids fit the model, do the merges stand in the order of training, does the template render?
#include <array>

#include "app/check/check.h"
#include "app/check/merge_laws.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::array<std::string_view, 8> kTexts = {
    "Hello world", "The quick brown fox jumps over the lazy dog.", "It's 3.14, isn't it? 1234567", "two  spaces and\na line",
    "na\xC3\xAFve caf\xC3\xA9", "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", "\xF0\x9F\x98\x80 smile", "def f(x): return x**2 + 1"};

/// A vocabulary may fold case or white space; a second trip must then change nothing any more.
void test_round_trips(const Tokenizer& tokenizer, Findings& findings) {
  std::size_t equal = 0, lossy = 0;
  for (const std::string_view text : kTexts) {
    const auto trip = [&](std::string_view input) -> Result<std::string> {
      VB_TRY(const Encoding encoding, tokenizer.encode(input, {.add_special = false, .parse_special = false}));
      return tokenizer.decode(encoding.ids);
    };
    const auto once = trip(text);
    if (!once) {
      findings.fault("'{}': {}", printable(text), describe(once.error()));
      continue;
    }
    const auto again = trip(*once);
    if (*once == text)
      ++equal;
    else if (again && trip(*again).value_or("") == *again)
      ++lossy;
    else
      findings.fault("'{}' comes back as '{}' and changes further from trip to trip", printable(text), printable(*once));
  }
  if (equal == 0) findings.fault("not one of {} texts comes back from its ids", kTexts.size());
  findings.fine("{} of {} texts come back from their ids, {} with a loss", equal, kTexts.size(), lossy);
}

void test_ids(const CheckSubject& subject, Findings& findings) {
  const Tokenizer& tokenizer = *subject.tokenizer;
  const std::int64_t rows = subject.config.vocab_size;
  if (!subject.architecture) return;
  if (tokenizer.vocab_size() > rows) findings.fault("the tokenizer has {} tokens, the model {} rows", tokenizer.vocab_size(), rows);
  for (const auto& [name, id] : {std::pair{"BOS", tokenizer.bos()}, {"EOS", tokenizer.eos()}})
    if (id && (*id < 0 || *id >= rows)) findings.fault("{} is token {}, the model has {} rows", name, *id, rows);
  findings.fine("{} tokens for {} rows", tokenizer.vocab_size(), rows);
}

void test_merges(const CheckSubject& subject, Findings& findings) {
  const auto table = read_merges(subject.source);
  if (!table) return findings.fault("{}", describe(table.error()));
  std::vector<std::string> faults = merge_faults(*table);
  if (subject.source.is_gguf())
    for (std::string& fault : score_faults(subject.source.file->metadata())) faults.push_back(std::move(fault));
  for (const std::string& fault : faults) findings.fault("{}", fault);
  if (!table->merges.empty()) findings.fine("{} merges in order", table->merges.size());
}

void test_template(const CheckSubject& subject, Findings& findings) {
  const auto chat = load_chat_template(subject.source);
  if (!chat) return findings.fault("the chat template: {}", describe(chat.error()));
  if (!*chat) return;
  const Json messages = Json::array({Json::object({{"role", "user"}, {"content", "A question."}})});
  const Tokenizer* tokenizer = subject.tokenizer.get();
  const auto text = (*chat)->render(chat_variables(messages, true, special_text(tokenizer, tokenizer->bos()), special_text(tokenizer, tokenizer->eos())),
                                    {.now = std::chrono::system_clock::time_point{}});
  if (!text)
    findings.fault("the chat template does not render one question: {}", describe(text.error()));
  else if (text->find("A question.") == std::string::npos)
    findings.fault("the chat template leaves the question out");
  else
    findings.fine("the chat template renders");
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.tokenizer) {
    if (subject.tokenizer_error.empty())
      findings.not_run("the model carries no tokenizer");
    else
      findings.fault("{}", subject.tokenizer_error);
    return;
  }
  test_round_trips(*subject.tokenizer, findings);
  test_ids(subject, findings);
  test_merges(subject, findings);
  test_template(subject, findings);
}

}  // namespace

CheckStage tokenizer_stage() { return {"tokenizer", "round trips, ids, the order of the merges, the chat template", run}; }

}  // namespace vauban
