#include "text/template/program.h"

#include "text/template/parser.h"

namespace vauban::jinja {

Result<std::unique_ptr<const Program>> Program::parse(std::string_view source, const Syntax& syntax) {
  VB_TRY(Body body, parse_template(source, syntax));
  return std::unique_ptr<const Program>(new Program(std::move(body)));
}

Result<Rendering> Program::render(const Value& variables, std::optional<std::chrono::system_clock::time_point> now,
                                  const Limits& limits) const {
  if (!variables.is_dict()) return invalid_input("expected an object of variables, found {}", variables.type_name());
  Evaluator evaluator(limits, now);
  VB_TRY(std::string text, evaluator.run(body_, variables.dict()));
  return Rendering{std::move(text), evaluator.generations(), evaluator.lost_generation()};
}

}  // namespace vauban::jinja
