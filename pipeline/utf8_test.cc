// Text that is UTF-8 stays; every byte that is not is shown.
#include "pipeline/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace pipeline {
namespace {

TEST(ValidUtf8Test, TextOfAnyScriptStays) {
  // The first and last characters of each length, and those beside the surrogates.
  for (const std::string text :
       {"", "glioma", "D\xC3\xA9j\xC3\xA0", "\xE5\xA5\xBD", "\xF0\x9F\x8D\x85", "\xC2\x80",
        "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "a\nb\t\x7F"}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
}

TEST(ValidUtf8Test, EachBadByteIsShown) {
  EXPECT_EQ(ValidUtf8("caf\xE9"), R"(caf\xE9)");                    // Latin-1
  EXPECT_EQ(ValidUtf8("\xE9t\xE9"), R"(\xE9t\xE9)");                // cut by a letter
  EXPECT_EQ(ValidUtf8("a\x80z"), R"(a\x80z)");                      // no beginning
  EXPECT_EQ(ValidUtf8("\xE5\xA5"), R"(\xE5\xA5)");                  // no end
  EXPECT_EQ(ValidUtf8("\xE5\xA5\xC3\xA9"), "\\xE5\\xA5\xC3\xA9");   // the next one is whole
  EXPECT_EQ(ValidUtf8("\xC0\x80\xC1\xBF"), R"(\xC0\x80\xC1\xBF)");  // overlong
  EXPECT_EQ(ValidUtf8("\xE0\x9F\xBF"), R"(\xE0\x9F\xBF)");          // overlong
  EXPECT_EQ(ValidUtf8("\xF0\x8F\xBF\xBF"), R"(\xF0\x8F\xBF\xBF)");  // overlong
  EXPECT_EQ(ValidUtf8("\xED\xA0\x80"), R"(\xED\xA0\x80)");          // a surrogate
  EXPECT_EQ(ValidUtf8("\xF4\x90\x80\x80"), R"(\xF4\x90\x80\x80)");  // above U+10FFFF
  EXPECT_EQ(ValidUtf8("\xF5\x80\x80\x80\xFF"), R"(\xF5\x80\x80\x80\xFF)");
}

TEST(ValidUtf8Test, WhatIsShownStaysShown) {
  const std::string shown = ValidUtf8("\xFF/caf\xE9");
  EXPECT_EQ(ValidUtf8(shown), shown);
}

TEST(PrintableTest, NoControlCharacterReachesATerminal) {
  EXPECT_EQ(Printable("\x1B[31mred\x07"), R"(\x1B[31mred\x07)");
  EXPECT_EQ(Printable("a\r\n\tb\x7F"), R"(a\x0D\x0A\x09b\x7F)");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "31m"),
            R"(\xC2\x9B31m)");  // CSI in one character
  EXPECT_EQ(Printable("\xC2\xA0\xC3\xA9 \xE5\xA5\xBD"), "\xC2\xA0\xC3\xA9 \xE5\xA5\xBD");
  EXPECT_EQ(Printable("caf\xE9"), R"(caf\xE9)");
}

TEST(CharactersTest, AreCountedAndNeverCut) {
  const std::string text = "a\xC3\xA9\xE5\xA5\xBD\xF0\x9F\x8D\x85";
  EXPECT_EQ(CharactersIn(text), 4);
  EXPECT_EQ(FirstCharacters(text, 0), "");
  EXPECT_EQ(FirstCharacters(text, 2), "a\xC3\xA9");
  EXPECT_EQ(FirstCharacters(text, 3), "a\xC3\xA9\xE5\xA5\xBD");
  EXPECT_EQ(FirstCharacters(text, 9), text);
}

}  // namespace
}  // namespace pipeline
