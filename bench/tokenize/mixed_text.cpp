#include "tokenize/mixed_text.h"

#include <array>
#include <random>
#include <string_view>

#include "base/strings.h"

namespace vauban::bench {
namespace {

/// Words of one script, and how they are set beside each other. Sentences are drawn from them, so that none repeats as a
/// whole and a cache of words has no more to gain than in real text.
struct Script {
  std::string_view space, end;
  std::array<std::string_view, 20> words;
};

constexpr std::array kScripts = {
    Script{" ", ". ", {"в", "начале", "было", "слово", "и", "город", "река", "человек", "который", "знает", "время", "дорога", "письмо", "завтра", "всегда", "научный", "вопрос", "ответственность", "Москва", "пять"}},
    Script{" ", ". ", {"και", "το", "φως", "άνθρωπος", "θάλασσα", "ημέρα", "λόγος", "είναι", "πόλη", "ερώτηση", "χρόνος", "μεγάλη", "γράμμα", "ελευθερία", "αύριο", "πάντα", "δρόμος", "νερό", "Αθήνα", "επτά"}},
    Script{"", "。", {"今天", "天气", "很好", "我们", "去", "学校", "学习", "语言", "模型", "的", "方法", "中国", "历史", "时间", "问题", "可以", "回答", "北京", "三百", "了"}},
    Script{"", "。", {"今日", "は", "とても", "いい", "天気", "です", "カタカナ", "コンピューター", "を", "使って", "勉強", "する", "東京", "時間", "質問", "に", "答え", "ました", "言語", "モデル"}},
    Script{" ", ". ", {"오늘", "날씨가", "좋습니다", "우리는", "학교에서", "언어", "모델을", "공부합니다", "시간", "질문", "대답", "서울", "사람들", "역사", "그리고", "내일", "항상", "물", "길", "일곱"}},
    Script{" ", ". ", {"في", "البداية", "كانت", "الكلمة", "المدينة", "الوقت", "سؤال", "جواب", "الناس", "اللغة", "نموذج", "غدا", "دائما", "الطريق", "الماء", "كتاب", "العلم", "تاريخ", "القاهرة", "سبعة"}},
    Script{" ", "। ", {"आज", "मौसम", "अच्छा", "है", "हम", "भाषा", "सीखते", "हैं", "समय", "प्रश्न", "उत्तर", "दिल्ली", "लोग", "इतिहास", "और", "कल", "हमेशा", "पानी", "रास्ता", "सात"}},
    Script{"", " ", {"วันนี้", "อากาศ", "ดี", "มาก", "เรา", "เรียน", "ภาษา", "เวลา", "คำถาม", "คำตอบ", "กรุงเทพ", "คน", "ประวัติศาสตร์", "และ", "พรุ่งนี้", "เสมอ", "น้ำ", "ถนน", "หนังสือ", "เจ็ด"}},
    Script{" ", ". ", {"Übermäßig", "façade", "naïve", "garçon", "señor", "Łódź", "škola", "île", "größer", "København", "ação", "über", "crème", "brûlée", "jalapeño", "Zürich", "smörgåsbord", "élan", "coöperate", "œuvre"}},
    Script{" ", ";\n    ", {"for (int i = 0; i < n; ++i)", "return", "x_value", "std::vector<float>", "{", "}", "if (ptr != nullptr)", "sum += a[i] * b[i]", "// TODO", "def f(self, *args):", "import", "0x7fff", "const auto&", "\tif", "\"text\"", "->next", "&&", "lambda x: x**2", "print(f'{x:.3f}')", "};"}},
    Script{" ", "\n", {"1", "23", "456", "7890", "3.14159", "2026-11-30", "12:45", "$1,299.00", "100%", "1e-5", "42nd", "192.168.0.1", "+49", "(555)", "½", "№7", "№", "IV", "#12", "2^10"}},
    Script{" ", " ", {"😀", "👍🏽", "👨‍👩‍👧", "🇫🇷", "❤️", "→", "≈", "∑", "™", "…", "«", "»", "—", "🚀", "✅", "°C", "²", "ℝ", "∞", "🙃🙃"}},
};

using Random = std::mt19937_64;  // its numbers are the same everywhere; the standard's distributions are not

std::size_t below(Random& random, std::size_t bound) { return static_cast<std::size_t>(random() % bound); }

std::string sentence(Random& random) {
  const Script& script = kScripts[below(random, kScripts.size())];
  std::string out;
  for (std::size_t n = 5 + below(random, 15); n > 0; --n) {
    out += script.words[below(random, script.words.size())];
    out += n > 1 ? script.space : script.end;
  }
  return out;
}

std::vector<std::string> paragraphs_of(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts)
    for (const std::string_view line : split(text, '\n'))
      if (!trim(line).empty()) out.emplace_back(line);
  return out;
}

}  // namespace

std::vector<std::string> mixed_text(const std::vector<std::string>& english, std::size_t total_bytes,
                                    std::size_t document_bytes) {
  const std::vector<std::string> paragraphs = paragraphs_of(english);
  std::vector<std::string> documents;
  if (paragraphs.empty()) return documents;
  Random random(1);
  std::size_t next = 0;
  for (std::size_t total = 0; total < total_bytes;) {
    std::string document;
    while (document.size() < document_bytes) {
      document += paragraphs[next++ % paragraphs.size()] + "\n";
      if (below(random, 4) == 0) document += sentence(random) + "\n";
      if (below(random, 8) == 0) document += "\n";
    }
    total += document.size();
    documents.push_back(std::move(document));
  }
  return documents;
}

}  // namespace vauban::bench
