// tern store list | show | export | import: the kept records.

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/command.h"
#include "harness/error.h"
#include "harness/parse_command.h"
#include "harness/record_file.h"
#include "harness/record_store.h"
#include "harness/record_text.h"
#include "harness/side.h"

namespace tern::harness {
namespace {

using nlohmann::json;

struct Options {
  std::string format;  // empty: the sub-command's own default
  std::string db;
  std::vector<std::string> ids;
  std::string out;
  std::string file;
};

std::string format_of(const Options& options, const std::vector<std::string>& allowed) {
  if (options.format.empty()) return allowed.front();
  if (std::find(allowed.begin(), allowed.end(), options.format) != allowed.end()) {
    return options.format;
  }
  std::string list;
  for (const std::string& name : allowed) list += (list.empty() ? "" : ", ") + name;
  throw Error(fmt::format("-o: expected one of {}, got \"{}\"", list, options.format));
}

Record load(const RecordStore* store, const std::string& id) {
  std::optional<Record> record = store == nullptr ? std::nullopt : store->load(id);
  if (!record) {
    throw Error(
        fmt::format("there is no record \"{}\"; `tern store list` shows those there are", id));
  }
  return std::move(*record);
}

json to_json(const RecordSummary& summary) {
  return {{"id", summary.id},         {"created", summary.created}, {"status", summary.status},
          {"models", summary.models}, {"tests", summary.tests},     {"machine", summary.machine},
          {"trials", summary.trials}};
}

int list(const Options& options) {
  const std::string format = format_of(options, {"md", "json", "csv"});
  const std::unique_ptr<RecordStore> store = open_for_reading(options.db);
  const std::vector<RecordSummary> summaries =
      store == nullptr ? std::vector<RecordSummary>() : store->list();
  if (format == "json") {
    json rows = json::array();
    for (const RecordSummary& summary : summaries) rows.push_back(to_json(summary));
    fmt::print("{}\n", rows.dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    fmt::print("{}", format == "csv" ? list_csv(summaries) : list_markdown(summaries));
  }
  return 0;
}

int show(const Options& options) {
  const std::string format = format_of(options, {"md", "json"});
  const Record record = load(open_for_reading(options.db).get(), options.ids.front());
  fmt::print("{}", format == "json" ? record.text(2) + "\n" : record_markdown(record));
  return 0;
}

[[noreturn]] void fail_write(const std::string& path) {
  throw Error(fmt::format("--out: could not write {}: {}", path, std::strerror(errno)));
}

// Whole or not at all: written beside its place and moved there.
void write_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp-" + std::to_string(::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) fail_write(path);
  bool written = true;
  for (std::size_t done = 0; written && done < text.size();) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    written = count > 0 || (count < 0 && errno == EINTR);
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  written = written && ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  errno = error;
  if (written && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int reason = errno;
  ::unlink(temporary.c_str());
  errno = reason;
  fail_write(path);
}

int export_records(const Options& options) {
  const std::string format = format_of(options, {"jsonl", "json"});
  const std::unique_ptr<RecordStore> store = open_for_reading(options.db);
  std::vector<std::string> ids = options.ids;
  if (ids.empty() && store != nullptr) {
    for (const RecordSummary& summary : store->list()) ids.push_back(summary.id);
    std::reverse(ids.begin(), ids.end());  // oldest first, so that exports grow at their end
  }
  std::string text = format == "json" ? "[" : "";
  bool first = true;
  for (const std::string& id : ids) {
    if (format == "json") text += first ? "\n" : ",\n";
    text += load(store.get(), id).text();
    if (format == "jsonl") text += '\n';
    first = false;
  }
  if (format == "json") text += first ? "]\n" : "\n]\n";
  if (options.out.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    write_file(options.out, text);
  }
  return 0;
}

int import_records(const Options& options) {
  const std::vector<Record> records = parse_records(read_record_file(options.file), options.file);
  RecordStore store(options.db.empty() ? RecordStore::default_path()
                                       : std::filesystem::path(options.db));
  int added = 0;
  for (const Record& record : records) added += store.import(record) ? 1 : 0;
  fmt::print("{} added, {} there already\n", added, static_cast<int>(records.size()) - added);
  return 0;
}

CLI::App* add_command(CLI::App& app, Options& options, const char* name, const char* summary) {
  CLI::App* command = app.add_subcommand(name, summary);
  command->add_option("--db", options.db, "The store (default: $XDG_DATA_HOME/tern/tern.db)");
  return command;
}

}  // namespace

int run_store(const std::vector<std::string>& args) {
  Options options;
  CLI::App app("The kept results", "tern store");
  app.require_subcommand(1);
  CLI::App* list_command = add_command(app, options, "list", "One line per record, newest first");
  list_command->add_option("-o,--output", options.format, "md, json or csv");
  CLI::App* show_command = add_command(app, options, "show", "One record");
  show_command->add_option("-o,--output", options.format, "md or json");
  show_command->add_option("ID", options.ids, "An id, or how it begins")->required()->expected(1);
  CLI::App* export_command = add_command(app, options, "export", "Whole records, oldest first");
  export_command->add_option("-o,--output", options.format, "jsonl or json");
  export_command->add_option("--out", options.out, "A file instead of stdout");
  export_command->add_option("ID", options.ids, "Ids, or how they begin; none: all");
  CLI::App* import_command = add_command(app, options, "import", "Adds records that are not there");
  import_command
      ->add_option("FILE", options.file,
                   "JSON or JSONL, or what tern_kernel_bench wrote; - is stdin")
      ->required();
  const auto known = app.get_subcommands({});
  const auto named = [&](const CLI::App* command) { return command->get_name() == args[0]; };
  if (!args.empty() && !args[0].starts_with('-') &&
      std::none_of(known.begin(), known.end(), named)) {
    throw Error(fmt::format("expected list, show, export or import, got \"{}\"", args[0]));
  }
  if (!parse_command(app, args)) return 0;
  if (list_command->parsed()) return list(options);
  if (show_command->parsed()) return show(options);
  if (export_command->parsed()) return export_records(options);
  return import_records(options);
}

}  // namespace tern::harness
