#include "runtime/request_digest.h"

#include "base/json.h"
#include "base/sha256.h"
#include "trace/trace_json.h"

namespace vauban {

Result<std::string> request_digest(const TraceRequest& request) {
  TraceRequest question = request;
  question.trace_id = "-";
  question.metadata = Json();
  VB_TRY(const std::string text, to_json(question).dump(), "while digesting request '{}'", request.trace_id);
  return sha256_hex(std::string_view(text));
}

}  // namespace vauban
