/// The head: finite rows; where the configuration ties it, it is the embedding; where not, the embedding in its place does worse.
#include "app/check/check.h"
#include "app/check/table_rows.h"

namespace vauban {
namespace {

bool same_values(const TensorView& a, const TensorView& b) {
  const auto x = decode_f32(a), y = decode_f32(b);
  return x && y && *x == *y;
}

/// What a file holds under both names, if it does.
void test_tied(const CheckSubject& subject, const std::string& embedding, Findings& findings) {
  const DecoderNames names = subject.architecture->names(subject.config);
  const TensorSpec head = weight_of(names.module(names.head, -1, {1, 1}));
  const TensorSpec table = weight_of(names.module(names.embedding, -1, {1, 1}));
  const bool gguf = subject.source.is_gguf();
  const TensorEntry* at_head = subject.source.file->find(gguf ? head.gguf : head.hf);
  const TensorEntry* at_table = subject.source.file->find(gguf ? table.gguf : table.hf);
  if (at_head && at_table && !same_values(at_head->view, at_table->view))
    return findings.fault("the configuration ties the head to {}, but the file holds another '{}'", embedding, at_head->name);
  findings.fine("the head is {}, as the configuration says", embedding);
}

void test_untied(CheckSubject& subject, const std::string& embedding, const std::string& head, Findings& findings) {
  test_table_rows(subject, head, findings);
  if (const std::string why = subject.no_alternatives(); !why.empty()) return findings.not_run("the embedding in its place: {}", why);
  auto values = subject.values(embedding);
  if (!values || values->empty()) return;
  const std::int64_t width = static_cast<std::int64_t>(values->size()) / subject.config.vocab_size;
  const WeightEdit edit{.tensor = head, .op = "set", .operand = *std::move(values), .operand_shape = {subject.config.vocab_size, width}};
  const auto gain = subject.gain_of(std::span(&edit, 1));
  if (!gain) return findings.not_run("the embedding in its place: {}", describe(gain.error()));
  if (gain->convincing())
    findings.fault("with the embedding as head the text is predicted better, by {:.3f} +- {:.3f} nats per token: the head should be tied to it, or is damaged",
                   gain->mean, gain->standard_error);
  else
    findings.fine("the embedding in its place does worse");
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.architecture) return findings.not_run("the architecture is not known: {}", subject.architecture_error);
  const std::string embedding = table_name(subject, TensorRole::embedding), head = table_name(subject, TensorRole::head);
  if (subject.config.tied_head) return test_tied(subject, embedding, findings);
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  test_untied(subject, embedding, head, findings);
}

}  // namespace

CheckStage head_stage() { return {"head", "the head: tied as the configuration says, or better than the embedding", run}; }

}  // namespace vauban
