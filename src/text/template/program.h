/// Program: a parsed template.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/template/ast.h"
#include "text/template/evaluator.h"
#include "text/template/lexer.h"

namespace vauban::jinja {

struct Rendering {
  std::string text;
  std::vector<GenerationSpan> generations;
  bool lost_generation = false;
};

class Program {
 public:
  /// Errors: invalid_input with the line.
  static Result<std::unique_ptr<const Program>> parse(std::string_view source, const Syntax& syntax = {});
  /// `variables`: a dict. Errors: invalid_input, unsupported, resource, all with the line.
  Result<Rendering> render(const Value& variables, std::optional<std::chrono::system_clock::time_point> now = {},
                           const Limits& limits = {}) const;

 private:
  explicit Program(Body body) : body_(std::move(body)) {}
  Body body_;
};

}  // namespace vauban::jinja
