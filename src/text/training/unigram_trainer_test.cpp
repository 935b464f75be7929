#include "text/training/unigram_trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/json_file.h"
#include "base/strings.h"
#include "text/tokenizer.h"
#include "text/training/line_words.h"
#include "text/training/piece_model_writer.h"
#include "text/training/unigram_lattice.h"
#include "text/training/unigram_model.h"
#include "text/training/training_test.h"

namespace vauban::test {
namespace {

const std::string kMark = "\xE2\x96\x81";

std::string without_returns(std::string text) {
  std::erase(text, '\r');
  return text;
}

struct Halves {
  std::string train, held_out;
};

Halves split_lines(const std::string& text, std::size_t lines) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < lines; ++i) at = text.find('\n', at) + 1;
  return {text.substr(0, at), text.substr(at)};
}

std::vector<WordCount> line_words(std::string_view text, const std::vector<std::string>& symbols = {}, bool keep_spaces = false) {
  WordTable table;
  EXPECT_TRUE(LineWords(symbols, keep_spaces).cut(text, table).has_value());
  return table.sorted();
}

struct Fit {
  double log_likelihood = 0;
  std::size_t tokens = 0, unknown = 0;
};

/// Of the best segmentation of each line, with probabilities that add up to one.
Fit fit_of(const PieceModel& model, std::string_view text) {
  const auto tokenizer = load_sentencepiece(write_piece_model(model, {}));
  EXPECT_TRUE(tokenizer.has_value());
  double sum = 0;
  for (const ScoredPiece& piece : model.pieces)
    if (piece.type == PieceType::normal) sum += std::exp(static_cast<double>(piece.score));
  Fit fit;
  for (const std::string_view line : split(text, '\n')) {
    const auto encoding = (*tokenizer)->encode(line, {.add_special = false, .parse_special = false});
    EXPECT_TRUE(encoding.has_value());
    for (const std::int32_t id : encoding->ids) {
      fit.unknown += id == model.unknown_id;
      if (id == model.unknown_id) continue;
      fit.tokens += 1;
      fit.log_likelihood += static_cast<double>(model.pieces[static_cast<std::size_t>(id)].score) - std::log(sum);
    }
  }
  return fit;
}

TEST(TrainUnigram, HeldOutTextIsAsLikelyAsWithSentencePiece) {
  const auto peers = read_json_file(source_dir() / "tests/peers/tokenizer_training/sentencepiece_unigram.json");
  VB_ASSERT_OK(peers);
  for (const Json& run : peers->find("runs")->items()) {
    const std::string file = *run.get_string("file");
    VB_NEED_SHARED(file);
    const Halves text = split_lines(without_returns(read_text(shared_data() / file)), static_cast<std::size_t>(*run.get_int("train_lines")));
    const auto size = static_cast<std::size_t>(*run.get_int("vocab_size"));
    TrainingBench bench(2);
    const auto trained = train_unigram(line_words(text.train), {.n_pieces = size - 3, .character_coverage = 1.0}, bench.context);
    VB_ASSERT_OK(trained);
    const auto model = unigram_model(*trained, {}, false);
    VB_ASSERT_OK(model);
    EXPECT_EQ(model->pieces.size(), size);
    const Fit fit = fit_of(*model, text.held_out);
    const double theirs = *run.get_double("log_likelihood");
    std::cout << file << " " << size << ": log likelihood " << fit.log_likelihood << " in " << fit.tokens << " tokens; SentencePiece "
              << theirs << " in " << *run.get_int("tokens") << "\n";
    EXPECT_EQ(static_cast<std::int64_t>(fit.unknown), *run.get_int("unknown"));
    EXPECT_GT(fit.log_likelihood, 1.01 * theirs) << "within one percent, or better";
    EXPECT_LT(static_cast<double>(fit.tokens), 1.02 * static_cast<double>(*run.get_int("tokens")));
  }
}

TEST(TrainUnigram, TheSameWordsGiveTheSamePiecesOnAnyNumberOfThreads) {
  VB_NEED_SHARED("text/tinystories_sample.txt");
  const auto words = line_words(read_text(shared_data() / "text/tinystories_sample.txt"));
  std::vector<UnigramPieces> results;
  for (const int threads : {1, 1, 3}) {
    TrainingBench bench(threads);
    auto trained = train_unigram(words, {.n_pieces = 150}, bench.context);
    VB_ASSERT_OK(trained);
    results.push_back(*std::move(trained));
  }
  for (const UnigramPieces& other : results) {
    EXPECT_EQ(other.texts, results[0].texts);
    EXPECT_EQ(other.scores, results[0].scores);
  }
  EXPECT_EQ(std::set<std::string>(results[0].texts.begin(), results[0].texts.end()).size(), 150u);
}

TEST(TrainUnigram, KeepsTheCharactersThatCoverTheText) {
  TrainingBench bench;
  const auto words = words_of({{(kMark + "aa").c_str(), 500}, {(kMark + "ab").c_str(), 499}, {"q", 1}});
  const auto all = train_unigram(words, {.n_pieces = 4, .character_coverage = 1.0}, bench.context);
  VB_ASSERT_OK(all);
  EXPECT_EQ(std::set<std::string>(all->texts.begin(), all->texts.end()), (std::set<std::string>{kMark, "a", "b", "q"}));
  const auto most = train_unigram(words, {.n_pieces = 3, .character_coverage = 0.999}, bench.context);
  VB_ASSERT_OK(most);
  EXPECT_EQ(std::set<std::string>(most->texts.begin(), most->texts.end()), (std::set<std::string>{kMark, "a", "b"}));
}

TEST(TrainUnigram, SaysWhichSizesArePossible) {
  TrainingBench bench;
  const auto words = words_of({{(kMark + "abc").c_str(), 4}, {(kMark + "ab").c_str(), 4}});
  const auto few = train_unigram(words, {.n_pieces = 3}, bench.context);
  ASSERT_FALSE(few.has_value());
  EXPECT_NE(few.error().message.find("need 4"), std::string::npos) << few.error().message;
  const auto many = train_unigram(words, {.n_pieces = 400}, bench.context);
  ASSERT_FALSE(many.has_value());
  EXPECT_NE(many.error().message.find("the text gives"), std::string::npos) << many.error().message;
  EXPECT_FALSE(train_unigram({}, {.n_pieces = 3}, bench.context).has_value());
  bench.cancel.cancel();
  EXPECT_EQ(train_unigram(words, {.n_pieces = 5}, bench.context).error().code, ErrorCode::cancelled);
}

TEST(UnigramLattice, SumsAndMaximaAreThoseOfAllSegmentations) {
  // "abab" over {a, b, ab, aba}: a|b|a|b, ab|a|b, a|b|ab, ab|ab, aba|b.
  const std::vector<double> p{0.2, 0.3, 0.4, 0.1};
  std::vector<double> scores;
  for (const double x : p) scores.push_back(std::log(x));
  const PieceTrie trie({"a", "b", "ab", "aba"});
  UnigramLattice lattice(trie, scores, -100);
  std::vector<double> expected(4);
  const double z = .2 * .3 * .2 * .3 + 2 * .4 * .2 * .3 + .4 * .4 + .1 * .3;
  EXPECT_NEAR(lattice.add_expected("abab", 2, expected), std::log(z), 1e-12);
  EXPECT_NEAR(expected[0], 2 * (2 * .0036 + 2 * .024) / z, 1e-12);
  EXPECT_NEAR(expected[1], 2 * (2 * .0036 + 2 * .024 + .03) / z, 1e-12);
  EXPECT_NEAR(expected[2], 2 * (2 * .024 + 2 * .16) / z, 1e-12);
  EXPECT_NEAR(expected[3], 2 * .03 / z, 1e-12);
  std::vector<std::int32_t> path;
  EXPECT_NEAR(lattice.best("abab", path), std::log(.16), 1e-12);
  EXPECT_EQ(path, (std::vector<std::int32_t>{2, 2}));
  EXPECT_NEAR(lattice.best("abab", path, 2), std::log(.03), 1e-12);
  EXPECT_EQ(path, (std::vector<std::int32_t>{3, 1}));
  lattice.best("a\xC3\xA9", path);
  EXPECT_EQ(path, (std::vector<std::int32_t>{0, kUnknownPiece}));
}

TEST(SeedPieces, AreTheRepeatedSubstringsWithTheirFrequencies) {
  TrainingBench bench;
  const auto seeds = seed_pieces(words_of({{"xabc", 3}, {"yabd", 2}, {"once", 1}, {"a1", 5}}), {}, bench.context);
  VB_ASSERT_OK(seeds);
  const std::set<std::string> texts(seeds->texts.begin(), seeds->texts.end());
  EXPECT_TRUE(texts.contains("ab"));
  EXPECT_TRUE(texts.contains("xabc"));
  EXPECT_FALSE(texts.contains("once")) << "it occurs once";
  EXPECT_FALSE(texts.contains("a1")) << "letters and digits stay apart";
  double sum = 0;
  for (const double score : seeds->scores) sum += std::exp(score);
  EXPECT_NEAR(sum, 1, 1e-12);
  const auto score = [&](const std::string& text) {
    return seeds->scores[static_cast<std::size_t>(std::find(seeds->texts.begin(), seeds->texts.end(), text) - seeds->texts.begin())];
  };
  EXPECT_NEAR(score("ab") - score("xabc"), std::log(10.0 / 12.0), 1e-12) << "2 characters 5 times, 4 characters 3 times";
}

TEST(UnigramModel, HardStringsComeBackAndSymbolsStayWhole) {
  VB_NEED_SHARED("text/tinystories_sample.txt");
  TrainingBench bench;
  const UnigramSymbols symbols{.pad = "<pad>", .control = {"<sep>"}, .user_defined = {"<user>", "the"}, .byte_fallback = true};
  const auto words = line_words(read_text(shared_data() / "text/tinystories_sample.txt"), symbols.texts(), true);
  const auto trained = train_unigram(words, {.n_pieces = 120}, bench.context);
  VB_ASSERT_OK(trained);
  const auto model = unigram_model(*trained, symbols, true);
  VB_ASSERT_OK(model);
  EXPECT_EQ(model->pieces.size(), 120u + 7 + 256);
  const auto tokenizer = load_sentencepiece(write_piece_model(*model, {.pad_piece = "<pad>"}));
  VB_ASSERT_OK(tokenizer);
  EXPECT_EQ((*tokenizer)->bos(), 1);
  EXPECT_EQ((*tokenizer)->eos(), 2);
  EXPECT_EQ((*tokenizer)->id_of("<sep>"), 4);
  for (const char* text : {"", " ", "  two  spaces ", "caf\xC3\xA9 \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x94\xA5", "line\nline\r\n\ttab", "\xE4\xB8\xAD\xE6\x96\x87", "<user>a<user>", "\xEF\xBB\xBF bom", "123 + 4.5"}) {
    const auto encoding = (*tokenizer)->encode(text);
    VB_ASSERT_OK(encoding);
    EXPECT_EQ((*tokenizer)->decode(encoding->ids, true).value_or("error"), text);
  }
  const auto whole = (*tokenizer)->encode("x<user>other", {.add_special = false});
  VB_ASSERT_OK(whole);
  EXPECT_EQ(std::count(whole->ids.begin(), whole->ids.end(), 5), 1);
  EXPECT_EQ(std::count(whole->ids.begin(), whole->ids.end(), 6), 1) << "'the' inside a word";
  EXPECT_FALSE(unigram_model(*trained, {.control = {"<s>"}}, false).has_value()) << "given twice";
}

TEST(UnigramModel, TheWrittenFileSaysWhatTheModelSays) {
  PieceModel model;
  model.pieces = {{"<unk>", 0, PieceType::unknown}, {"<s>", 0, PieceType::control}, {"</s>", 0, PieceType::control},
                  {"<u>", 0, PieceType::user_defined}, {"<0x00>", 0, PieceType::byte}, {kMark + "a", -1.5f, PieceType::normal}};
  model.unknown_id = 0;
  model.bos = 1;
  model.eos = 2;
  model.byte_fallback = true;
  model.remove_extra_whitespaces = false;
  const auto read = parse_piece_model(write_piece_model(model, {}));
  VB_ASSERT_OK(read);
  ASSERT_EQ(read->pieces.size(), model.pieces.size());
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    EXPECT_EQ(read->pieces[i].text, model.pieces[i].text);
    EXPECT_EQ(read->pieces[i].score, model.pieces[i].score);
    EXPECT_EQ(read->pieces[i].type, model.pieces[i].type);
  }
  EXPECT_EQ(read->bos, model.bos);
  EXPECT_EQ(read->eos, model.eos);
  EXPECT_TRUE(read->byte_fallback);
  EXPECT_FALSE(read->remove_extra_whitespaces);
  EXPECT_TRUE(read->add_dummy_prefix);
  EXPECT_EQ(read->algorithm, PieceAlgorithm::unigram);
  EXPECT_EQ(read->unknown_surface, model.unknown_surface);
  model.eos.reset();
  EXPECT_EQ(parse_piece_model(write_piece_model(model, {}))->eos, std::nullopt);
}

}  // namespace
}  // namespace vauban::test
