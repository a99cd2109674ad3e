// GSM8K, PIQA and their provenance.

#include "datasets/error.h"
#include "datasets/gsm8k.h"
#include "datasets/manifest.h"
#include "datasets/piqa.h"
#include "tests/datasets/temporary_data.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

namespace fs = std::filesystem;
using namespace datasets;

fs::path published() { return fs::path(TERN_SOURCE_DIR) / "../shared/datasets"; }

template <typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const FormatError& error) {
    return error.what();
  }
  return "no error";
}

void write_piqa(const TemporaryData& data, const std::string& labels) {
  data.write("piqa/valid.jsonl",
             "{\"goal\":\"dry a cup\",\"sol1\":\"use a towel \",\"sol2\":\"use a t\\u00f6wel\"}\n"
             "{\"goal\":\"boil water\",\"sol1\":\"freeze it\",\"sol2\":\"heat it\"}\n");
  data.write("piqa/valid-labels.lst", labels);
}

TEST_CASE("sha256 of known texts") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("gsm8k: items in order, and a file that is not the published one is said to differ") {
  const TemporaryData data;
  data.write("gsm8k/test.jsonl",
             "{\"question\":\"One and one?\",\"answer\":\"1+1=2\\n#### 2\"}\n"
             "{\"answer\":\"#### 3\",\"question\":\"Three?\",\"more\":1}\n");
  const Gsm8k gsm8k = load_gsm8k(data.folder(), Gsm8kSplit::kTest);
  REQUIRE(gsm8k.items.size() == 2);
  CHECK(gsm8k.items[0].question == "One and one?");
  CHECK(gsm8k.items[0].answer == "1+1=2\n#### 2");
  CHECK(gsm8k.items[1].answer == "#### 3");
  CHECK(gsm8k.provenance.rows == 2);
  CHECK(gsm8k.provenance.file == "gsm8k/test.jsonl");
  REQUIRE(gsm8k.provenance.published != nullptr);
  CHECK(gsm8k.provenance.published->licence == "MIT");
  CHECK_FALSE(gsm8k.provenance.as_published());
  CHECK_THAT(gsm8k.provenance.difference(),
             Catch::Contains("expected sha256 3730d312f6e34405") &&
                 Catch::Contains("(1319 rows)") &&
                 Catch::Contains("got " + gsm8k.provenance.sha256 + " (2 rows)"));
}

TEST_CASE("gsm8k: what cannot be read is named") {
  const TemporaryData data;
  const auto load = [&] { load_gsm8k(data.folder(), Gsm8kSplit::kTrain); };
  CHECK_THAT(message_of(load), Catch::Contains("gsm8k/train.jsonl: cannot be read"));
  data.write("gsm8k/train.jsonl", "\n");
  CHECK_THAT(message_of(load), Catch::Contains("expected at least one question, got none"));
  data.write("gsm8k/train.jsonl", "{\"question\":\"q\",\"answer\":\"a\"}\n{\"question\":\"q\"}\n");
  CHECK_THAT(message_of(load),
             Catch::Contains("gsm8k/train.jsonl, line 2: expected a string \"answer\""));
}

TEST_CASE("piqa: questions and labels side by side, solutions unstripped") {
  const TemporaryData data;
  write_piqa(data, "1\r\n 0 \n");
  const Piqa piqa = load_piqa(data.folder());
  REQUIRE(piqa.items.size() == 2);
  CHECK(piqa.items[0].goal == "dry a cup");
  CHECK(piqa.items[0].solutions[0] == "use a towel ");
  CHECK(piqa.items[0].solutions[1] == "use a t\xc3\xb6wel");
  CHECK(piqa.items[0].label == 1);
  CHECK(piqa.items[1].label == 0);
  CHECK(piqa.labels.rows == 2);
  CHECK_FALSE(piqa.questions.as_published());
}

TEST_CASE("piqa: labels that do not fit are refused") {
  const TemporaryData data;
  const auto load = [&] { load_piqa(data.folder()); };
  write_piqa(data, "1\n");
  CHECK_THAT(message_of(load),
             Catch::Contains("valid-labels.lst: expected 2 labels") && Catch::Contains("got 1"));
  write_piqa(data, "1\n0\n1\n");
  CHECK_THAT(message_of(load), Catch::Contains("got 3"));
  write_piqa(data, "1\n2\n");
  CHECK_THAT(message_of(load),
             Catch::Contains("valid-labels.lst, line 2: expected the label 0 or 1, got \"2\""));
  fs::remove(data.folder() / "piqa/valid-labels.lst");
  CHECK_THAT(message_of(load), Catch::Contains("valid-labels.lst: cannot be read"));
}

TEST_CASE("the published files are recognised") {
  if (!fs::exists(published())) {
    WARN("skipped: no " << published());
    return;
  }
  const Gsm8k train = load_gsm8k(published(), Gsm8kSplit::kTrain);
  const Gsm8k test = load_gsm8k(published(), Gsm8kSplit::kTest);
  const Piqa piqa = load_piqa(published());
  for (const Provenance* found :
       {&train.provenance, &test.provenance, &piqa.questions, &piqa.labels}) {
    INFO(found->difference());
    CHECK(found->as_published());
    CHECK(found->rows == found->published->rows);
    CHECK(found->difference().empty());
  }
}

}  // namespace
}  // namespace tern::tests
