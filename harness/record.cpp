#include "harness/record.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <string_view>

#include "harness/build_info.h"
#include "harness/error.h"

namespace tern::harness {
namespace {

using nlohmann::json;

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// UUID version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, version, 12 random bits,
// variant, 62 random bits; so ids sort by time.
std::string uuid7(std::int64_t ms, const std::array<std::uint64_t, 2>& random) {
  const std::uint64_t high = static_cast<std::uint64_t>(ms) << 16 | 0x7000u | (random[0] & 0x0FFFu);
  const std::uint64_t low = std::uint64_t{2} << 62 | random[1] >> 2;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFF,
                     high & 0xFFFF, low >> 48, low & 0xFFFF'FFFF'FFFF);
}

std::array<std::uint64_t, 2> random_bits() {
  std::array<std::uint64_t, 2> random{};
  if (::getrandom(random.data(), sizeof random, 0) != sizeof random) {
    std::random_device device;
    for (std::uint64_t& word : random) word = std::uint64_t{device()} << 32 | device();
  }
  return random;
}

// "2026-01-31T12:34:56.789Z" (RFC 3339)
std::string utc_time(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms % 1000);
}

json build_part(const std::string& kernels_row) {
  const BuildInfo& build = build_info();
  json part = {{"version", build.version},       {"commit", build.commit},
               {"compiler", build.compiler},     {"flags", build.flags},
               {"build_type", build.build_type}, {"optimized", build.optimized},
               {"kernels", kernels_row}};
  if (*build.sanitizer != '\0') part["sanitizer"] = build.sanitizer;
  return part;
}

bool is_uuid(std::string_view id) {
  if (id.size() != 36) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f');
    if (dash ? id[i] != '-' : !hex) return false;
  }
  return true;
}

void require(bool condition, const std::string& message) {
  if (!condition) throw Error("not a " + std::string(kRecordSchema) + " record: " + message);
}

void check_document(const json& document) {
  require(document.is_object(), std::string("expected a JSON object, got ") + document.type_name());
  const auto text = [&](const char* key) -> std::string {
    const auto field = document.find(key);
    require(field != document.end() && field->is_string(),
            fmt::format("expected a string in \"{}\"", key));
    return *field;
  };
  const std::string schema = text("schema");
  require(schema == kRecordSchema, fmt::format("its \"schema\" is \"{}\"", schema));
  const std::string id = text("id");
  require(is_uuid(id), fmt::format("its \"id\" is \"{}\", not a lower-case UUID", id));
  text("created");
  text("status");
  for (const char* key : {"tern", "machine", "environment", "protocol"}) {
    require(document.contains(key) && document[key].is_object(),
            fmt::format("expected an object in \"{}\"", key));
  }
  for (const char* key : {"subjects", "trials", "evals", "reasons"}) {
    require(document.contains(key) && document[key].is_array(),
            fmt::format("expected an array in \"{}\"", key));
  }
  for (const json& eval : document["evals"]) {
    require(eval.is_object(),
            std::string("expected objects in \"evals\", got ") + eval.type_name());
  }
}

json to_json(const std::vector<energy::CounterValue>& counters) {
  json object = json::object();
  for (const energy::CounterValue& counter : counters) {
    if (counter.measured) {
      object[counter.name] = {{"value", counter.value}, {"running_share", counter.running_share}};
      if (counter.time_s > 0) object[counter.name]["time_s"] = counter.time_s;
    } else {
      object[counter.name] = {{"why", counter.why}};
    }
  }
  return object;
}

energy::Status parse_status(const std::string& text) {
  for (const energy::Status status :
       {energy::Status::kMeasured, energy::Status::kAttributed, energy::Status::kNotMeasured}) {
    if (text == energy::name(status)) return status;
  }
  throw Error(fmt::format(
      "energy status: expected measured, attributed or not_measured, got \"{}\"", text));
}

constexpr double kMicrojoulesPerJoule = 1e6;

std::vector<energy::CounterValue> counters_from_json(const json& object) {
  std::vector<energy::CounterValue> counters;
  for (const auto& [name, fields] : object.items()) {
    energy::CounterValue counter;
    counter.name = name;
    counter.measured = fields.contains("value");
    if (counter.measured) counter.value = fields.at("value").get<double>();
    counter.running_share = fields.value("running_share", 0.0);
    counter.why = fields.value("why", "");
    counter.time_s = fields.value("time_s", 0.0);
    counters.push_back(std::move(counter));
  }
  return counters;
}

}  // namespace

energy::EnergyDelta energy_from_json(const json& object) {
  energy::EnergyDelta delta;
  delta.status = parse_status(object.at("status").get<std::string>());
  delta.why = object.value("why", "");
  delta.source = object.value("source", "");
  delta.coverage = object.value("coverage", "");
  delta.window_s = object.value("window_s", 0.0);
  delta.updates = object.value("updates", std::int64_t{0});
  delta.aligned = object.value("aligned", false);
  delta.edge_s = object.value("edge_s", 0.0);
  delta.update_s = object.value("update_s", 0.0);
  delta.disagreement = object.value("disagreement", "");
  for (const auto& [key, value] : {std::pair("idle_w", &delta.idle_w),
                                   {"u_abs", &delta.u_abs_j},
                                   {"u_cmp", &delta.u_cmp_j},
                                   {"meter_cpu_s", &delta.meter_cpu_s}}) {
    if (object.contains(key)) *value = object.at(key).get<double>();
  }
  if (!object.contains("domains")) return delta;
  for (const auto& [name, fields] : object.at("domains").items()) {
    energy::DomainEnergy domain;
    domain.name = name;
    domain.measured = fields.contains("uj");
    if (domain.measured) domain.joules = fields.at("uj").get<double>() / kMicrojoulesPerJoule;
    domain.integrated = fields.contains("sampling_u_uj");
    domain.sampling_u_joules = fields.value("sampling_u_uj", 0.0) / kMicrojoulesPerJoule;
    domain.included = fields.value("included", false);
    domain.why = fields.value("why", "");
    if (domain.included && domain.measured) delta.total_joules += domain.joules;
    delta.domains.push_back(std::move(domain));
  }
  return delta;
}

json to_json(const energy::EnergyDelta& energy) {
  const bool measured = energy.status != energy::Status::kNotMeasured;
  json object = {{"status", energy::name(energy.status)}};
  for (const auto& [key, text] : {std::pair<const char*, const std::string&>("why", energy.why),
                                  {"source", energy.source},
                                  {"coverage", energy.coverage},
                                  {"disagreement", energy.disagreement}}) {
    if (!text.empty()) object[key] = text;
  }
  // Where the total is not measured no number may pass for it, so domains keep their reasons only.
  if (measured) {
    object["window_s"] = energy.window_s;
    object["updates"] = energy.updates;
    if (energy.aligned) object["aligned"] = true;
    if (energy.edge_s > 0) object["edge_s"] = energy.edge_s;
    if (energy.update_s > 0) object["update_s"] = energy.update_s;
    for (const auto& [key, value] : {std::pair("idle_w", &energy.idle_w),
                                     {"u_abs", &energy.u_abs_j},
                                     {"u_cmp", &energy.u_cmp_j},
                                     {"meter_cpu_s", &energy.meter_cpu_s}}) {
      if (value->has_value()) object[key] = **value;
    }
  }
  for (const energy::DomainEnergy& domain : energy.domains) {
    json fields = {{"included", domain.included}};
    if (measured && domain.measured) {
      fields["uj"] = domain.joules * kMicrojoulesPerJoule;
      // An integral of power samples, and what they leave unknown.
      if (domain.integrated)
        fields["sampling_u_uj"] = domain.sampling_u_joules * kMicrojoulesPerJoule;
    }
    if (!domain.why.empty()) fields["why"] = domain.why;
    object["domains"][domain.name] = std::move(fields);
  }
  return object;
}

json to_json(const Trial& trial) {
  json object = {{"subject", trial.subject},
                 {"test", trial.test},
                 {"pair", trial.pair},
                 {"order_index", trial.order_index},
                 {"start_unix_ns", trial.start_unix_ns},
                 {"elapsed_ns", trial.elapsed_ns},
                 {"tokens", trial.tokens},
                 {"bytes_moved", trial.bytes_moved},
                 {"energy", to_json(trial.energy)},
                 {"counters", to_json(trial.counters)}};
  if (trial.cpu_ns > 0) object["cpu_ns"] = trial.cpu_ns;
  const engine::Operations& operations = trial.operations;
  if (operations.int8 > 0 || operations.fp32 > 0 || operations.bf16 > 0) {
    object["operations"] = {{"int8", operations.int8}, {"fp32", operations.fp32}};
    if (operations.bf16 > 0) object["operations"]["bf16"] = operations.bf16;
  }
  if (!trial.logits_hash.empty()) object["logits_hash"] = trial.logits_hash;
  if (trial.command.has_value()) object["command"] = to_json(*trial.command);
  return object;
}

Trial trial_from_json(const json& object) try {
  Trial trial;
  trial.subject = object.at("subject").get<std::string>();
  trial.test = object.at("test").get<std::string>();
  trial.pair = object.at("pair").get<int>();
  trial.order_index = object.at("order_index").get<int>();
  trial.start_unix_ns = object.at("start_unix_ns").get<std::int64_t>();
  trial.elapsed_ns = object.at("elapsed_ns").get<std::int64_t>();
  trial.tokens = object.at("tokens").get<std::int64_t>();
  trial.bytes_moved = object.value("bytes_moved", std::int64_t{0});
  trial.cpu_ns = object.value("cpu_ns", std::int64_t{0});
  if (object.contains("operations")) {
    trial.operations.int8 = object["operations"].value("int8", std::int64_t{0});
    trial.operations.fp32 = object["operations"].value("fp32", std::int64_t{0});
    trial.operations.bf16 = object["operations"].value("bf16", std::int64_t{0});
  }
  trial.energy = energy_from_json(object.at("energy"));
  if (object.contains("counters")) trial.counters = counters_from_json(object.at("counters"));
  trial.logits_hash = object.value("logits_hash", "");
  if (object.contains("command")) trial.command = command_usage_from_json(object.at("command"));
  return trial;
} catch (const json::exception& error) {
  throw Error(std::string("a trial of the record cannot be read: ") + error.what());
}

Record::Record() : document_(std::make_unique<json>()) {}
Record::Record(const Record& other) : document_(std::make_unique<json>(*other.document_)) {}
Record::Record(Record&&) noexcept = default;
Record::~Record() = default;

Record& Record::operator=(Record other) noexcept {
  document_.swap(other.document_);
  return *this;
}

Record Record::begin(const std::string& kernels_row) {
  Record record = begin_at(unix_ms(), random_bits());
  record.document()["tern"] = build_part(kernels_row);
  return record;
}

Record Record::begin_at(std::int64_t unix_ms, const std::array<std::uint64_t, 2>& bits) {
  Record record;
  *record.document_ = {
      {"schema", kRecordSchema},    {"id", uuid7(unix_ms, bits)}, {"created", utc_time(unix_ms)},
      {"tern", json::object()},     {"machine", json::object()},  {"environment", json::object()},
      {"protocol", json::object()}, {"subjects", json::array()},  {"trials", json::array()},
      {"evals", json::array()},     {"status", "running"},        {"reasons", json::array()}};
  return record;
}

Record Record::parse(const std::string& text) {
  Record record;
  try {
    *record.document_ = json::parse(text);
  } catch (const json::exception& error) {
    throw Error(
        fmt::format("not a {} record: it is not valid JSON ({})", kRecordSchema, error.what()));
  }
  check_document(*record.document_);
  record.trials();  // throws where one cannot be read
  return record;
}

json& Record::document() noexcept { return *document_; }
const json& Record::document() const noexcept { return *document_; }
std::string Record::id() const { return document_->at("id"); }

void Record::add(const Trial& trial) { document_->at("trials").push_back(to_json(trial)); }

std::vector<Trial> Record::trials() const {
  std::vector<Trial> trials;
  for (const json& trial : document_->at("trials")) trials.push_back(trial_from_json(trial));
  return trials;
}

void Record::finish(const std::string& status, const std::vector<std::string>& reasons) {
  (*document_)["status"] = status;
  (*document_)["finished"] = utc_time(unix_ms());
  json& kept = document_->at("reasons");
  for (const std::string& reason : reasons) kept.push_back(reason);
}

std::string Record::text(int indent) const {
  // Names come from firmware and files: a byte that is no UTF-8 must not lose a run.
  return document_->dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace tern::harness
