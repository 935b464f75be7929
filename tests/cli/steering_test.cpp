// The measured direction of declining has a dose-response on the embedded model; random directions of its norm have
// none.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "app/embedded/embedded_models.h"
#include "app/intervention_file.h"
#include "app/open.h"
#include "base/result.h"
#include "evidence/scorers/v2.h"
#include "format/direction.h"
#include "runner/trace_rows.h"
#include "suite/suite.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// Added along the direction in units of the measured difference between declined and answered requests.
const std::vector<double> kAlphas{-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0};
constexpr int kLayer = 2;            // one of four: what is added there goes through one more layer
constexpr std::size_t kPrompts = 8;  // of each of two categories
constexpr int kMaxTokens = 12;       // enough to see that an answer declines

class Steered {
 public:
  static Result<Steered> open() {
    Steered made;
    made.session_ = std::make_unique<Session>(CommonOptions{.quiet = true}, std::vector<std::string>{"vauban"});
    VB_TRY(made.runtime_, open_runtime("garrison", *made.session_));
    VB_TRY(const Suite suite, load_suite(source_dir() / "suites/garrison.toml"));
    for (const char* category : {"boundary", "contrast"}) {
      std::size_t taken = 0;
      for (const SuitePrompt& prompt : suite.prompts)
        if (prompt.category == category && taken++ < kPrompts) made.prompts_.push_back(prompt.text);
    }
    return made;
  }

  /// The share of answers that decline, at each of kAlphas.
  Result<std::vector<double>> response(const std::optional<std::uint64_t>& random_seed) {
    std::vector<double> rates;
    for (const double alpha : kAlphas) {
      VB_TRY(const double rate, refusal_rate(alpha, random_seed));
      rates.push_back(rate);
    }
    return rates;
  }

 private:
  Result<double> refusal_rate(double alpha, const std::optional<std::uint64_t>& random_seed) {
    const std::string direction = (source_dir() / "models/garrison/steered/direction.safetensors").string();
    VB_TRY(const std::vector<Intervention> edits, to_interventions({{.name = "dose",
                                                                     .mode = "offset",
                                                                     .layers = {kLayer},
                                                                     .alpha = alpha,
                                                                     .direction_file = direction,
                                                                     .random_seed = random_seed}}));
    std::vector<TraceRequest> requests;
    for (const std::string& prompt : prompts_)
      requests.push_back({.trace_id = format("dose-{}", requests.size()),
                          .input_text = prompt,
                          .apply_chat_template = true,
                          .sampling = {.max_tokens = kMaxTokens},
                          .interventions = edits});
    double declined = 0;
    for (const Result<Trace>& trace : runtime_->trace_batch(requests)) {
      VB_CHECK(trace);
      declined += classify_v2(read_trace_row(*trace).text) == "refuse";
    }
    return declined / static_cast<double>(prompts_.size());
  }

  std::unique_ptr<Session> session_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<std::string> prompts_;
};

/// Mean ranks where values are equal.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<double> out;
  for (const double value : values) {
    double below = 0, equal = 0;
    for (const double other : values) {
      below += other < value;
      equal += other == value;
    }
    out.push_back(below + (equal - 1) / 2);
  }
  return out;
}

/// Spearman's coefficient; 0 where one side does not move.
double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const std::vector<double> a = ranks(x), b = ranks(y);
  const double mean = static_cast<double>(x.size() - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

/// How far the rate rises from the lowest dose to the highest.
double rise(const std::vector<double>& rates) { return rates.back() - rates.front(); }

std::string text_of(const std::vector<double>& rates) {
  std::string text;
  for (const double rate : rates) text += format(" {:.3f}", rate);
  return text;
}

TEST(Steering, SpearmanIsThatOfTheTextbook) {
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4}, {10, 20, 30, 40}), 1);
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}), 0.8);  // 1 - 6 * 4 / (5 * 24)
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3}, {7, 7, 7}), 0);
}

TEST(Steering, TheMeasuredDirectionHasADoseResponseAndTenRandomOnesOfItsNormHaveNot) {
  auto steered = Steered::open();
  VB_ASSERT_OK(steered);
  const auto measured = steered->response(std::nullopt);
  VB_ASSERT_OK(measured);
  EXPECT_GE(spearman(kAlphas, *measured), 0.95) << text_of(*measured);
  EXPECT_GE(rise(*measured), 0.5) << text_of(*measured);
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto random = steered->response(seed);
    VB_ASSERT_OK(random);
    EXPECT_LE(std::abs(rise(*random)), 0.2) << "seed " << seed << ":" << text_of(*random);
    RecordProperty(format("random_{}", seed), format("{:.2f}{}", spearman(kAlphas, *random), text_of(*random)));
  }
  RecordProperty("measured", text_of(*measured));
}

}  // namespace
}  // namespace vauban::test
