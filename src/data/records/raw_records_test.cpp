#include "data/records/raw_records.h"

#include <gtest/gtest.h>

namespace vauban {
namespace {

std::string listed(const std::vector<RawRecord>& records) {
  std::string out;
  for (const RawRecord& record : records) out += std::to_string(record.line) + "=" + std::string(record.text) + ";";
  return out;
}

TEST(JsonLines, CountsEveryLineButKeepsOnlyThoseThatHoldSomething) {
  EXPECT_EQ(listed(json_lines("{1}\n\n  \t\n{2}\n")), "1={1};4={2};");
  EXPECT_EQ(listed(json_lines("{1}")), "1={1};");
  EXPECT_EQ(listed(json_lines("")), "");
  EXPECT_EQ(listed(json_lines("\n\n")), "");
}

TEST(JsonLines, AcceptWindowsLineEndsAndAByteOrderMark) {
  EXPECT_EQ(listed(json_lines("\xEF\xBB\xBF{1}\r\n\r\n{2}\r\n")), "1={1};3={2};");
}

TEST(JsonLines, KeepLineSeparatorsOfUnicodeInsideALine) {
  EXPECT_EQ(listed(json_lines("{\"a\xE2\x80\xA8\"}\n")), "1={\"a\xE2\x80\xA8\"};");
}

TEST(PlainText, WritesWindowsLineEndsAsOneByteAndKeepsOtherReturns) {
  EXPECT_EQ(plain_text("\xEF\xBB\xBF" "a\r\nb\rc\r"), "a\nb\rc\r");
}

TEST(PlainDocuments, AreWhatStandsBetweenSeparators) {
  EXPECT_EQ(listed(plain_documents("a\nb\n--\n\n--\nc\n", "--\n")), "1=a\nb\n;6=c\n;");
  EXPECT_EQ(listed(plain_documents("one\n\ntwo", "\n\n")), "1=one;3=two;");
  EXPECT_EQ(listed(plain_documents("one\n\ntwo", "")), "1=one\n\ntwo;");
}

TEST(PlainDocuments, AreNoneInWhiteSpace) {
  EXPECT_EQ(listed(plain_documents(" \n \n", "")), "");
  EXPECT_EQ(listed(plain_documents("", "--")), "");
  EXPECT_EQ(listed(plain_documents("----", "--")), "");
}

}  // namespace
}  // namespace vauban
