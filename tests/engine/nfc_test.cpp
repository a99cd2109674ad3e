// Normalization Form C, by Unicode's own examples (UAX #15) and awkward input.
#include "engine/tokenizer/nfc.h"
#include "tests/support/catch.h"

using tern::engine::to_nfc;

namespace {

std::string nfc(std::string_view text) {
  std::string scratch;
  return std::string(to_nfc(text, scratch));
}

}  // namespace

TEST_CASE("NFC composes letters and accents", "[tokenizer]") {
  CHECK(nfc("e\u0301") == "\u00e9");
  CHECK(nfc("\u00e9") == "\u00e9");
  CHECK(nfc("\u212b") == "\u00c5");               // the Angstrom sign is a letter
  CHECK(nfc("\u1e9b\u0323") == "\u1e9b\u0323");   // long s with two dots, no such character
  CHECK(nfc("d\u0307\u0323") == "\u1e0d\u0307");  // in the order of the classes
  CHECK(nfc("\u1e0b\u0323") == "\u1e0d\u0307");   // taken apart first
  CHECK(nfc("e\u0323\u0302") == "\u1ec7");        // twice
  CHECK(nfc("\u0958") == "\u0915\u093c");         // composition exclusion
  CHECK(nfc("a\u0315\u0300\u05ae\u0300b") ==
        "\u00e0\u05ae\u0300\u0315"
        "b");
}

TEST_CASE("NFC composes Hangul", "[tokenizer]") {
  CHECK(nfc("\u1112\u1161\u11ab") == "\ud55c");
  CHECK(nfc("\ud558\u11ab") == "\ud55c");
  CHECK(nfc("\uac01\u11a8") == "\uac01\u11a8");  // has its tail already
  CHECK(nfc("\u1112\u11ab") == "\u1112\u11ab");
}

TEST_CASE("NFC leaves everything else alone", "[tokenizer]") {
  for (const char* text : {"", "plain", "\u4e2d\u6587 \U0001f600", "\u0301", "\u0301\u0323x"})
    CHECK(nfc(text) == (std::string(text) == "\u0301\u0323x" ? "\u0323\u0301x" : text));
  // What is not UTF-8 stays, and separates.
  CHECK(nfc("e\xff\u0301") == "e\xff\u0301");
  CHECK(nfc("\xff\u0301"
            "e\u0301") == "\xff\u0301\u00e9");
  CHECK(nfc("\xed\xa0\x80\xcc") == "\xed\xa0\x80\xcc");
}

TEST_CASE("NFC only allocates where it must", "[tokenizer]") {
  std::string scratch;
  const std::string_view text = "na\u00efve";
  CHECK(to_nfc(text, scratch).data() == text.data());
}
