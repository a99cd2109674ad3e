#include "harness/sqlite.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "harness/error.h"

namespace tern::harness {
namespace {

// Long enough for another process to finish a write, also on a slow disk.
constexpr int kBusyTimeoutMs = 10'000;

}  // namespace

void Database::Close::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

Database::Database(const std::filesystem::path& path) : name_(path.string()) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: expected a store (a SQLite file), got a folder", name_));
  }
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(name_.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail("could not open the store", code);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  // SQLite falls back to reading alone; a run must know before it starts.
  if (sqlite3_db_readonly(handle, "main") == 1) {
    throw Error(fmt::format("{}: the store cannot be written: no permission", name_));
  }
}

void Database::fail(const std::string& doing, int code) const {
  switch (code & 0xFF) {
    case SQLITE_NOTADB:
      throw Error(fmt::format("{}: expected a store (a SQLite file), got something else", name_));
    case SQLITE_CORRUPT:
      throw Error(fmt::format("{}: the store is damaged ({})", name_, sqlite3_errmsg(handle())));
    default:
      throw Error(fmt::format("{}: {}: {}", name_, doing,
                              handle_ ? sqlite3_errmsg(handle()) : sqlite3_errstr(code)));
  }
}

void Database::run(const std::string& sql) {
  const int code = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail("could not write the store", code);
}

std::int64_t Database::integer(const std::string& query) {
  Statement statement(*this, query.c_str());
  return statement.step() ? statement.integer(0) : 0;
}

std::int64_t Database::changes() const noexcept { return sqlite3_changes(handle()); }

bool Database::busy() const noexcept { return (sqlite3_errcode(handle()) & 0xFF) == SQLITE_BUSY; }

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

Statement::Statement(const Database& database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database.handle(), sql, -1, &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) database.fail("could not read the store", code);
}

Statement& Statement::bind(int index, const std::string& text) {
  const int code = sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) database_.fail("could not write the store", code);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), index, value);
  if (code != SQLITE_OK) database_.fail("could not write the store", code);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.fail("could not use the store", code);
  return false;
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? "" : std::string(data, static_cast<std::size_t>(size));
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace tern::harness
