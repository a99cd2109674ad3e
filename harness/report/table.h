#pragma once
// A Markdown table whose columns are padded (in code points), so that it reads well unrendered too.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace tern::harness {

struct Column {
  std::string title;
  std::size_t width = 0;  // at least
  bool left = false;      // aligned left; figures are aligned right
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell per column.
  void add(std::vector<std::string> cells);
  void write(std::ostream& out);

 private:
  void line(std::ostream& out, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tern::harness
