#include "energy/external/open_external.h"

#include <httplib.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "energy/energy_meter.h"
#include "tests/energy/external/raw_server.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;
using tern::tests::RawServer;

namespace {

constexpr const char* kShelly = R"({"id":0,"apower":61.2,"aenergy":{"total":1234.5}})";
constexpr const char* kTasmota = R"({"StatusSNS":{"ENERGY":{"Total":3.185,"Power":84}}})";
constexpr const char* kRedfish = R"({"PowerControl":[{"PowerConsumedWatts":344}]})";

// A meter as its makers meant it: a real HTTP server, at the one path and query that it knows.
class GoodMeter {
 public:
  GoodMeter(std::string target, std::string body)
      : target_(std::move(target)), body_(std::move(body)) {
    server_.set_keep_alive_max_count(1);
    server_.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      ++requests_;
      response.status = request.target == target_ ? 200 : 404;
      const std::lock_guard lock(mutex_);
      authorization_ = request.get_header_value("Authorization");
      response.set_content(body_, "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~GoodMeter() { vanish(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int requests() const { return requests_; }
  std::string authorization() const {
    const std::lock_guard lock(mutex_);
    return authorization_;
  }
  void say(const std::string& body) {
    const std::lock_guard lock(mutex_);
    body_ = body;
  }
  void vanish() {
    while (thread_.joinable() && !server_.is_running()) std::this_thread::yield();
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  const std::string target_;
  mutable std::mutex mutex_;
  std::string body_;
  std::string authorization_;
  std::atomic<int> requests_{0};
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

ExternalOptions quick() {
  ExternalOptions options;
  options.period_s = 0.01;
  options.retry_s = 0.01;
  options.stale_s = 0.5;
  return options;
}

Probe open(const std::string& text, const ExternalOptions& options = quick()) {
  const Parsed<MeterSpec> spec = parse_meter_spec(text);
  INFO(spec.error);
  REQUIRE(spec);
  return open_external(*spec, options);
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// A window of some answers of the meter.
EnergyDelta window(EnergyMeter& meter, const GoodMeter& server) {
  meter.start();
  const int until = server.requests() + 20;
  REQUIRE(eventually([&] { return server.requests() >= until; }));
  return meter.stop();
}

void fails(const std::string& text, const std::string& why) {
  const Probe probe = open(text);
  INFO(probe.why_not);
  CHECK_FALSE(probe.source);
  CHECK_THAT(probe.why_not, Contains(why));
}

}  // namespace

TEST_CASE("plugs and chassis are asked at their paths") {
  struct Case {
    std::string kind, path, target, body;
    double power_w;
  };
  for (const Case& each :
       {Case{"shelly", "", "/rpc/Switch.GetStatus?id=0", kShelly, 61.2},
        Case{"tasmota", "", "/cm?cmnd=Status%2010", kTasmota, 84},
        Case{"redfish", "/redfish/v1/Chassis/1", "/redfish/v1/Chassis/1/Power", kRedfish, 344}}) {
    INFO(each.kind);
    const GoodMeter server(each.target, each.body);
    const Clock::time_point begin = Clock::now();
    ExternalOptions patient = quick();
    patient.stale_s = 1000;
    Probe probe = open(each.kind + ":" + server.url() + each.path, patient);
    INFO(probe.why_not);
    REQUIRE(probe.source);
    CHECK(probe.name == each.kind);
    CHECK(probe.source->info().detail == server.url());
    EnergyMeter meter(std::move(probe.source));
    const EnergyDelta delta = window(meter, server);
    INFO(delta.why);
    CHECK(delta.status == Status::kMeasured);
    CHECK(delta.source == each.kind);
    CHECK(delta.total_joules > 0);
    const std::chrono::duration<double> most = Clock::now() - begin;
    CHECK(delta.total_joules <= each.power_w * most.count() * 1.01);
    CHECK(delta.domains.at(0).name == "wall");
  }
}

TEST_CASE("each kind says how slow it is") {
  const GoodMeter plug("/rpc/Switch.GetStatus?id=0", kShelly);
  const Probe probe = open("shelly:" + plug.url(), {});
  REQUIRE(probe.source);
  const std::vector<Domain>& domains = probe.source->info().domains;
  REQUIRE(domains.size() == 2);
  // A hundred updates, the least a window should hold, are five minutes.
  CHECK(domains[0].update_s == 3);
  CHECK(domains[1].joules_per_count == Approx(3.6));
  CHECK(domains[1].update_s == 60);
  CHECK_FALSE(domains[1].included);
  const GoodMeter coarse("/cm?cmnd=Status%2010", kTasmota);
  CHECK(open("tasmota:" + coarse.url(), {}).source->info().domains.at(1).joules_per_count ==
        Approx(3600));
  const GoodMeter bmc("/redfish/v1/Chassis/1/Power", kRedfish);
  const Probe chassis = open("redfish:" + bmc.url() + "/redfish/v1/Chassis/1", {});
  CHECK(chassis.source->info().domains.at(0).update_s == 10);
  CHECK_THAT(chassis.source->info().coverage, Contains("BMC"));
}

TEST_CASE("a meter that vanishes costs its joules and no more") {
  GoodMeter server("/rpc/Switch.GetStatus?id=0", kShelly);
  Probe probe = open("shelly:" + server.url());
  REQUIRE(probe.source);
  EnergySource& source = *probe.source;
  EnergyMeter meter(std::move(probe.source));
  meter.start();
  server.vanish();
  std::vector<Reading> readings(2);
  REQUIRE(eventually([&] {
    source.read(readings);
    return readings[0].error != 0;
  }));
  const EnergyDelta delta = meter.stop();
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("timed out") && Contains(server.url() + ": no connection"));
}

TEST_CASE("a meter that turns to nonsense is not believed") {
  GoodMeter server("/rpc/Switch.GetStatus?id=0", kShelly);
  Probe probe = open("shelly:" + server.url());
  REQUIRE(probe.source);
  EnergySource& source = *probe.source;
  std::vector<Reading> readings(2);
  for (const char* nonsense : {"<html>", R"({"apower":1e7,"aenergy":{"total":1}})", ""}) {
    server.say(nonsense);
    REQUIRE(eventually([&] {
      source.read(readings);
      return readings[0].error != 0;
    }));
    CHECK_THAT(source.trouble(), Contains("expected"));
    server.say(kShelly);
    REQUIRE(eventually([&] {
      source.read(readings);
      return readings[0].error == 0;
    }));
  }
}

TEST_CASE("a meter that misbehaves from the beginning is not there, and says why") {
  const auto always = [](const std::string& text) {
    return [text](int socket, const StopSignal&) { RawServer::send(socket, text); };
  };
  const RawServer garbage(always(RawServer::answer("<html>hello</html>")));
  fails("shelly:" + garbage.url(), "expected JSON");
  const RawServer high(always(RawServer::answer(R"({"apower":99999})")));
  fails("shelly:" + high.url(), "expected 0 to 4000 W");
  const RawServer moved(always(RawServer::answer(kShelly, "301 Moved", "Location: /x\r\n")));
  fails("shelly:" + moved.url(), "redirect (301)");
  const RawServer big(always(RawServer::answer(std::string(10 << 20, ' '))));
  fails("shelly:" + big.url(), "longer than");
  const RawServer cut(always("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"apower\":1"));
  fails("tasmota:" + cut.url(), "broke off");
  const RawServer hung(
      [](int, const StopSignal& stop) { stop.wait_until(Clock::now() + std::chrono::minutes(1)); });
  fails("shelly:" + hung.url(), "no complete answer within 2 s");
  RawServer gone(always(""));
  gone.vanish();
  fails("shelly:" + gone.url(), "no connection");
  fails("shelly:http://no-such-host.invalid", "no-such-host.invalid");
}

TEST_CASE("a BMC gets its password from the environment, and nobody reads it") {
  ::setenv("TERN_REDFISH_USER", "root", 1);
  ::setenv("TERN_REDFISH_PASSWORD", "secret", 1);
  {
    const GoodMeter server("/redfish/v1/Chassis/1/Power", kRedfish);
    const Probe probe = open("redfish:" + server.url() + "/redfish/v1/Chassis/1");
    CHECK(probe.source);
    CHECK(server.authorization() == "Basic cm9vdDpzZWNyZXQ=");
    const GoodMeter plug("/rpc/Switch.GetStatus?id=0", kShelly);
    CHECK(open("shelly:" + plug.url()).source);
    CHECK(plug.authorization().empty());
    const RawServer locked([](int socket, const StopSignal&) {
      RawServer::send(socket, RawServer::answer("{}", "401 Unauthorized"));
    });
    const Probe refused = open("redfish:" + locked.url() + "/redfish/v1/Chassis/1");
    CHECK_FALSE(refused.source);
    CHECK_THAT(refused.why_not, Contains("401") && !Contains("secret") && !Contains("cm9v"));
    CHECK_THAT(refused.remedy, Contains("TERN_REDFISH_PASSWORD"));
  }
  ::unsetenv("TERN_REDFISH_USER");
  ::unsetenv("TERN_REDFISH_PASSWORD");
}

TEST_CASE("ipmitool is run as it is, and what it says is the reason") {
  const FakeSysfs folder;
  const auto program = [&](const std::string& name, const std::string& script) {
    folder.write(name, "#!/bin/sh\n" + script);
    ::chmod(folder.path(name).c_str(), 0755);
    ExternalOptions options = quick();
    options.stale_s = 20;
    options.ipmitool = folder.path(name).string();
    return options;
  };
  const Probe good = open("ipmi", program("good",
                                          "test \"$*\" = 'dcmi power reading' || exit 9\n"
                                          "echo '    Instantaneous power reading:   220 Watts'\n"));
  INFO(good.why_not);
  REQUIRE(good.source);
  CHECK(good.source->info().name == "ipmi");
  std::vector<Reading> first(1), later(1);
  good.source->read(first);
  CHECK(first[0].error == 0);
  CHECK(eventually([&] {
    good.source->read(later);
    return later[0].raw > first[0].raw;
  }));
  const Probe closed =
      open("ipmi", program("closed", "echo 'Could not open device at /dev/ipmi0' >&2; exit 1\n"));
  CHECK_FALSE(closed.source);
  CHECK_THAT(closed.why_not, Contains("status 1") && Contains("Could not open device"));
  CHECK_THAT(closed.remedy, Contains("ipmi_devintf"));
  CHECK_THAT(open("ipmi", program("odd", "echo hello\n")).why_not, Contains("hello"));
  ExternalOptions slow = program("slow", "sleep 1000\n");
  slow.answer_s = 0.3;
  CHECK_THAT(open("ipmi", slow).why_not, Contains("did not finish within 0.3 s"));
  ExternalOptions missing = quick();
  missing.ipmitool = "no-such-program-of-this-name";
  CHECK_THAT(open("ipmi", missing).why_not, Contains("No such file"));
}

TEST_CASE("stored traces and logs are opened as sources") {
  const FakeSysfs folder;
  folder.write("trace",
               "t_ns,domain,raw,errno\n1,package-0,0,0\n1000000001,package-0,50000000,0\n");
  Probe trace = open("trace:" + folder.path("trace").string());
  INFO(trace.why_not);
  REQUIRE(trace.source);
  CHECK(trace.source->info().detail == folder.path("trace").string());
  EnergyMeter meter(std::move(trace.source));
  meter.start();
  CHECK(meter.stop().total_joules == Approx(50));
  folder.write("log", "unix_s,watts\n100,50\n101,50\n102,50\n");
  Probe log = open("ptdaemon:" + folder.path("log").string() + "@+5");
  REQUIRE(log.source);
  CHECK(log.source->stored() == 3u);
  folder.write("bad", "1,package-0,0,0\nhello\n");
  fails("trace:" + folder.path("bad").string(), "bad: line 2: expected");
  fails("ptdaemon:" + folder.path("bad").string(), "bad: line 1: expected");
  fails("trace:" + folder.path("missing").string(), "No such file");
  fails("trace:" + folder.root(), "expected a plain file");
  const std::string fifo = folder.path("fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  fails("ptdaemon:" + fifo, "expected a plain file");
  fails("trace:/dev/zero", "expected a plain file");
}
