#include "harness/report/table.h"

#include <algorithm>
#include <ostream>
#include <string_view>

namespace tern::harness {
namespace {

// Code points, so that "±" takes one place.
std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

// A '|' inside a cell would end it.
void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) {
    for (std::size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2)
      cell.insert(at, "\\");
  }
  rows_.push_back(std::move(cells));
}

void Table::write(std::ostream& out) {
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    column.width = std::max(column.width, display_width(column.title));
    for (const auto& row : rows_) column.width = std::max(column.width, display_width(row[i]));
    titles.push_back(column.title);
  }
  line(out, titles);
  out << '|';
  for (const Column& column : columns_) {
    out << ' ' << std::string(column.width - (column.left ? 0 : 1), '-')
        << (column.left ? " |" : ": |");
  }
  out << '\n';
  for (const auto& row : rows_) line(out, row);
}

void Table::line(std::ostream& out, const std::vector<std::string>& cells) const {
  out << '|';
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string space(columns_[i].width - display_width(cells[i]), ' ');
    out << ' ' << (columns_[i].left ? cells[i] + space : space + cells[i]) << " |";
  }
  out << '\n';
}

}  // namespace tern::harness
