/// ChatTemplate: a model's own way to write a conversation as text. A Jinja template, as transformers runs it.
///
/// Immutable after parse() and safe to share between threads. Templates are untrusted programs: they run without access
/// to anything but their variables, and within limits of steps, depth and bytes (template/budget.h). What is accepted is
/// what Jinja2 accepts with trim_blocks, lstrip_blocks, loop controls and `{% generation %}`, in the immutable sandbox.
///
/// A rendered text holds every special token that the model is to see: encode it with `add_special = false`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

namespace jinja {
class Program;
class Value;
}  // namespace jinja

struct RenderOptions {
  /// What strftime_now() tells. Without it a template that asks for the date is refused: no hidden clock.
  std::optional<std::chrono::system_clock::time_point> now;
};

class ChatTemplate {
 public:
  /// Errors: invalid_input with the line and what was expected.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string source);
  ~ChatTemplate();
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  /// `variables`: an object with all of the template's variables (messages, tools, add_generation_prompt, bos_token ...).
  /// Its keys come sorted, as everywhere in Json; where the order of keys matters (tools written by tojson), use
  /// render_json. Errors: invalid_input (with the line) for what the template raises, resource for a passed limit.
  Result<std::string> render(const Json& variables, const RenderOptions& options = {}) const;
  /// The same for the text of a JSON object, whose keys keep their order.
  Result<std::string> render_json(std::string_view variables, const RenderOptions& options = {}) const;
  const std::string& source() const { return source_; }
  /// SHA-256 of the source.
  std::string digest() const;

 private:
  friend struct TrainingRenderer;
  ChatTemplate(std::string source, std::unique_ptr<const jinja::Program> program);
  std::string source_;
  std::unique_ptr<const jinja::Program> program_;
};

struct TextSpan {
  std::size_t begin = 0, end = 0;  ///< bytes, [begin, end)
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

struct RenderedChat {
  std::string text;
  std::vector<TextSpan> assistant;  ///< what the assistant is trained to write, end of turn included; in order
};

/// A conversation as training data. Where the template marks `{% generation %}` blocks, these are the assistant's spans.
/// Else, for the assistant's message i: messages[:i] with a generation prompt is what it was given, and what
/// messages[:i+1] adds to that is what it writes.
/// Errors: invalid_input when a rendering is not the beginning of the next, since then no span is right; else as render.
Result<RenderedChat> render_for_training(const ChatTemplate& chat_template, const Json& messages,
                                         const Json& extra_variables, const RenderOptions& options = {});

/// The variables of transformers' apply_chat_template for a plain conversation: messages, tools and documents none,
/// add_generation_prompt, and the texts of BOS and EOS (left undefined where empty).
Json chat_variables(const Json& messages, bool add_generation_prompt, std::string_view bos, std::string_view eos);

}  // namespace vauban
