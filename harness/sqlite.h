#pragma once
// A thin hold on SQLite: a connection and its statements, errors as harness::Error that name the
// file. One thread at a time.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace tern::harness {

class Database {
 public:
  // Opens for reading and writing, creates when absent. Throws Error when that is not possible.
  explicit Database(const std::filesystem::path& path);

  void run(const std::string& sql);                // statements without a result
  std::int64_t integer(const std::string& query);  // the first column of the first row
  std::int64_t changes() const noexcept;           // rows the last statement changed

  bool busy() const noexcept;  // the last call met another process's lock

  const std::string& name() const noexcept { return name_; }
  sqlite3* handle() const noexcept { return handle_.get(); }
  // Throws what SQLite says about the last call: "DOING in FILE: REASON".
  [[noreturn]] void fail(const std::string& doing, int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  std::string name_;
  std::unique_ptr<sqlite3, Close> handle_;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql);

  // Parameters and columns count from 1 and from 0, as in SQLite.
  Statement& bind(int index, const std::string& text);
  Statement& bind(int index, std::int64_t value);
  bool step();  // true while there is a row
  std::string text(int column) const;
  std::int64_t integer(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Rolled back unless committed. Takes the write lock at once, so that nothing read inside goes
// stale.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace tern::harness
