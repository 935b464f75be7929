#include "app/output.h"

#include <unistd.h>

#include <chrono>
#include <mutex>

#include "base/strings.h"

namespace vauban {

Result<void> Output::print_json(const Json& document, int indent) {
  VB_TRY(std::string line, document.dump(indent));
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), out_) != line.size() || std::fflush(out_) != 0)
    return io("could not write to stdout");
  return ok();
}

void Output::text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

void Output::note(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), err_);
  std::fputc('\n', err_);
}

struct ProgressPrinter::State {
  const Clock& clock;
  bool quiet;
  bool terminal = ::isatty(STDERR_FILENO) == 1;
  std::mutex mutex;
  std::string task;
  std::chrono::nanoseconds started{}, printed{};
  bool drawn = false;
};

ProgressPrinter::ProgressPrinter(const Clock& clock, bool quiet) : state_(new State{.clock = clock, .quiet = quiet}) {}
ProgressPrinter::~ProgressPrinter() = default;

namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

std::string progress_line(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit,
                          double elapsed_s) {
  const double rate = elapsed_s > 0 ? static_cast<double>(done) / elapsed_s : 0;
  if (total == 0 || rate == 0) return format("{}  {} {}  {:.1f}/s", task, done, unit, rate);
  const double left_s = static_cast<double>(total - std::min(done, total)) / rate;
  return format("{}  {}/{} {}  {:.1f}/s  ETA {:.0f} s", task, done, total, unit, rate, left_s);
}

}  // namespace

void ProgressPrinter::update(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit) {
  if (state_->quiet) return;
  const std::lock_guard lock(state_->mutex);
  const std::chrono::nanoseconds now = state_->clock.monotonic();
  if (state_->task != task) {
    state_->task = task;
    state_->started = state_->printed = now;
  }
  using namespace std::chrono_literals;
  const std::chrono::nanoseconds pause = state_->terminal ? 200ms : 10s;
  if (now - state_->started < 2s || now - state_->printed < pause) return;
  state_->printed = now;
  const std::string line = progress_line(task, done, total, unit, seconds(now - state_->started));
  std::fprintf(stderr, state_->terminal ? "\r\033[K%s" : "%s\n", line.c_str());
  std::fflush(stderr);
  state_->drawn = state_->terminal;
}

void ProgressPrinter::finish(std::string_view) {
  const std::lock_guard lock(state_->mutex);
  if (state_->drawn) std::fputs("\r\033[K", stderr);
  state_->drawn = false;
  state_->task.clear();
}

namespace {

/// An error may quote a path or a file, which are bytes; JSON holds UTF-8.
std::string as_utf8(const std::string& text) { return is_valid_utf8(text) ? text : printable(text, 4 * text.size()); }

}  // namespace

Json to_json(const Error& error) {
  Json::Array context;
  for (const std::string& step : error.context) context.emplace_back(as_utf8(step));
  return Json::object({{"error", Json::object({{"code", to_string(error.code)},
                                               {"message", as_utf8(error.message)},
                                               {"context", Json(std::move(context))},
                                               {"hint", as_utf8(error.hint)}})}});
}

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_input:
    case ErrorCode::not_found: return 2;
    case ErrorCode::cancelled: return 130;
    case ErrorCode::corrupt:
    case ErrorCode::unsupported:
    case ErrorCode::io:
    case ErrorCode::resource:
    case ErrorCode::internal: return 3;
  }
  return 3;
}

}  // namespace vauban
