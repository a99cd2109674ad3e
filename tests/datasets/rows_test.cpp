// Rows of JSON Lines, labels beside them, and their provenance.
#include "datasets/rows.h"

#include "datasets/error.h"
#include "datasets/manifest.h"
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

std::string text(const Rows& rows, std::size_t i, const char* key) {
  const Value* value = rows.rows.at(i).value.find(key);
  REQUIRE(value != nullptr);
  REQUIRE(value->text() != nullptr);
  return *value->text();
}

TEST_CASE("sha256 of known texts") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("rows in order, and a file that is not the published one is said to differ") {
  const TemporaryData data;
  data.write("gsm8k/test.jsonl",
             "{\"question\":\"One and one?\",\"answer\":\"1+1=2\\n#### 2\"}\n\n"
             "{\"answer\":\"#### 3\",\"question\":\"Three?\",\"more\":1}\n");
  const Rows rows = load_rows(data.folder(), "gsm8k/test.jsonl");
  REQUIRE(rows.rows.size() == 2);
  CHECK(text(rows, 0, "question") == "One and one?");
  CHECK(text(rows, 0, "answer") == "1+1=2\n#### 2");
  CHECK(text(rows, 1, "answer") == "#### 3");
  CHECK(rows.place(1) == (data.folder() / "gsm8k/test.jsonl").string() + ", line 3");
  CHECK(rows.provenance.rows == 2);
  CHECK(rows.provenance.file == "gsm8k/test.jsonl");
  REQUIRE(rows.provenance.published != nullptr);
  CHECK(rows.provenance.published->licence == "MIT");
  CHECK_FALSE(rows.provenance.as_published());
  CHECK_THAT(rows.provenance.difference(),
             Catch::Contains("expected sha256 3730d312f6e34405") &&
                 Catch::Contains("(1319 rows)") &&
                 Catch::Contains("got " + rows.provenance.sha256 + " (2 rows)"));
}

TEST_CASE("a file whose hash is not known is said to be unknown") {
  const TemporaryData data;
  data.write("quiz/test.jsonl", "{}\n");
  const Rows rows = load_rows(data.folder(), "quiz/test.jsonl");
  CHECK(rows.provenance.published == nullptr);
  CHECK_FALSE(rows.provenance.as_published());
  CHECK_THAT(rows.provenance.difference(), Catch::Contains("quiz/test.jsonl") &&
                                               Catch::Contains("no sha256 of it is known") &&
                                               Catch::Contains(rows.provenance.sha256));
}

TEST_CASE("rows: what cannot be read is named") {
  const TemporaryData data;
  const auto load = [&] { load_rows(data.folder(), "gsm8k/train.jsonl"); };
  CHECK_THAT(message_of(load), Catch::Contains("gsm8k/train.jsonl: cannot be read"));
  data.write("gsm8k/train.jsonl", "\n");
  CHECK_THAT(message_of(load), Catch::Contains("expected at least one row, got none"));
  data.write("gsm8k/train.jsonl", "{\"question\":\"q\"}\n[1]\n");
  CHECK_THAT(
      message_of(load),
      Catch::Contains("gsm8k/train.jsonl, line 2: expected a JSON object, got a JSON array"));
  data.write("gsm8k/train.jsonl", "{\"question\":\"q\"}\n\n{\"question\":\n");
  CHECK_THAT(message_of(load), Catch::Contains("gsm8k/train.jsonl, line 3: expected a JSON value"));
}

TEST_CASE("labels beside their rows") {
  const TemporaryData data;
  write_piqa(data, "1\r\n 0 \n");
  Rows rows = load_rows(data.folder(), "piqa/valid.jsonl");
  const Provenance labels = add_labels(data.folder(), "piqa/valid-labels.lst", "label", rows);
  REQUIRE(rows.rows.size() == 2);
  CHECK(text(rows, 0, "sol1") == "use a towel ");
  CHECK(text(rows, 0, "sol2") == "use a t\xc3\xb6wel");
  CHECK(*rows.rows[0].value.find("label") == Value(std::int64_t{1}));
  CHECK(*rows.rows[1].value.find("label") == Value(std::int64_t{0}));
  CHECK(labels.rows == 2);
  CHECK(labels.file == "piqa/valid-labels.lst");
  CHECK_FALSE(labels.as_published());
}

TEST_CASE("labels that do not fit are refused") {
  const TemporaryData data;
  const auto load = [&] {
    Rows rows = load_rows(data.folder(), "piqa/valid.jsonl");
    add_labels(data.folder(), "piqa/valid-labels.lst", "label", rows);
  };
  write_piqa(data, "1\n");
  CHECK_THAT(message_of(load),
             Catch::Contains("valid-labels.lst: expected 2 labels") && Catch::Contains("got 1"));
  write_piqa(data, "1\n0\n1\n");
  CHECK_THAT(message_of(load), Catch::Contains("got 3"));
  write_piqa(data, "1\n2x\n");
  CHECK_THAT(message_of(load), Catch::Contains("valid-labels.lst, line 2: expected a label") &&
                                   Catch::Contains("got \"2x\""));
  fs::remove(data.folder() / "piqa/valid-labels.lst");
  CHECK_THAT(message_of(load), Catch::Contains("valid-labels.lst: cannot be read"));
}

TEST_CASE("the published files are recognised") {
  if (!fs::exists(published())) {
    WARN("skipped: no " << published());
    return;
  }
  Rows piqa = load_rows(published(), "piqa/valid.jsonl");
  const Provenance labels = add_labels(published(), "piqa/valid-labels.lst", "label", piqa);
  for (const Provenance& found :
       {load_rows(published(), "gsm8k/train.jsonl").provenance,
        load_rows(published(), "gsm8k/test.jsonl").provenance, piqa.provenance, labels}) {
    INFO(found.difference());
    CHECK(found.as_published());
    CHECK(found.rows == found.published->rows);
    CHECK(found.difference().empty());
  }
}

}  // namespace
}  // namespace tern::tests
