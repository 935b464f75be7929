/// SpanRecorder: the stages of one run, timed by an injected clock and numbered in the order in which they open.
///
///   SpanRecorder spans(clock);
///   {
///     auto prefill = spans.open("prefill");       // runs until the end of the scope
///     prefill.profile().token_count = 9;
///     prefill.produces(artifact);                 // links the artifact and the span, both ways
///   }
///   auto observe = spans.gather("observe");       // for a stage that runs in many small pieces
///   { auto piece = observe.measure(); ... }
///
/// One thread at a time. A scope or piece that still runs when take() is called has not been counted yet: stop() it
/// first.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/format.h"
#include "vauban/trace.h"

namespace vauban {

class SpanRecorder {
  struct Entry {
    TraceSpan span;
    std::chrono::nanoseconds elapsed{0};
  };

 public:
  /// Adds the time between its construction and its end to a span.
  class Piece {
   public:
    Piece(const Clock& clock, std::shared_ptr<Entry> entry)
        : clock_(&clock), entry_(std::move(entry)), begin_(clock.monotonic()) {}
    ~Piece() { stop(); }
    Piece(Piece&&) noexcept = default;
    Piece& operator=(Piece&&) = delete;
    void stop() {
      if (!entry_) return;
      entry_->elapsed += clock_->monotonic() - begin_;
      entry_->span.profile->duration_s = std::chrono::duration<double>(entry_->elapsed).count();
      entry_.reset();
    }

   private:
    const Clock* clock_;
    std::shared_ptr<Entry> entry_;  ///< null once stopped or moved from
    std::chrono::nanoseconds begin_;
  };

  /// A span being filled.
  class Scope {
   public:
    Piece measure() { return Piece(*clock_, entry_); }
    void stop() { running_.clear(); }
    const std::string& id() const { return entry_->span.span_id; }
    StageProfile& profile() { return *entry_->span.profile; }
    Json& metadata() { return entry_->span.metadata; }
    void consumes(const std::string& artifact_id) { link(entry_->span.input_artifacts, artifact_id); }
    void produces(TraceArtifact& artifact) {
      artifact.producer_span_id = id();
      link(entry_->span.output_artifacts, artifact.artifact_id);
    }

   private:
    friend class SpanRecorder;
    Scope(const Clock& clock, std::shared_ptr<Entry> entry) : clock_(&clock), entry_(std::move(entry)) {}
    static void link(std::vector<std::string>& ids, const std::string& id) {
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
    const Clock* clock_;
    std::shared_ptr<Entry> entry_;
    std::vector<Piece> running_;  ///< at most one
  };

  explicit SpanRecorder(const Clock& clock) : clock_(clock) {}

  /// A span that runs from now until its scope ends or stop().
  Scope open(std::string_view name) {
    Scope scope = gather(name);
    scope.running_.push_back(scope.measure());
    return scope;
  }
  /// A span whose time is the sum of its pieces.
  Scope gather(std::string_view name) {
    auto entry = std::make_shared<Entry>();
    std::string word(name);
    std::replace(word.begin(), word.end(), ' ', '_');
    entry->span.span_id = format("span.{}.{}", entries_.size(), word);
    entry->span.name = name;
    entry->span.profile.emplace();
    entry->span.profile->name = name;
    entries_.push_back(entry);
    return Scope(clock_, std::move(entry));
  }
  /// The spans, in the order of their numbers. Call once, after the scopes have ended.
  std::vector<TraceSpan> take() {
    std::vector<TraceSpan> spans;
    for (const auto& entry : entries_) spans.push_back(entry->span);
    entries_.clear();
    return spans;
  }

 private:
  const Clock& clock_;
  std::vector<std::shared_ptr<Entry>> entries_;
};

}  // namespace vauban
