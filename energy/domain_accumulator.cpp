#include "energy/domain_accumulator.h"

namespace tern::energy {
namespace {

std::variant<CounterUnwrapper, PowerIntegrator> fitting(const Domain& domain) {
  if (domain.quantity == Quantity::kPower) return PowerIntegrator(domain);
  return CounterUnwrapper(domain);
}

}  // namespace

DomainAccumulator::DomainAccumulator(const Domain& domain) : readings_(fitting(domain)) {}

void DomainAccumulator::feed(const Reading& reading) {
  std::visit([&](auto& readings) { readings.feed(reading); }, readings_);
}

Fault DomainAccumulator::fault() const noexcept {
  return std::visit([](const auto& readings) { return readings.fault(); }, readings_);
}

const std::string& DomainAccumulator::why() const noexcept {
  return std::visit([](const auto& readings) -> const std::string& { return readings.why(); },
                    readings_);
}

bool DomainAccumulator::moved() const noexcept {
  if (const auto* counter = std::get_if<CounterUnwrapper>(&readings_)) {
    return counter->counts() != 0;
  }
  return joules() > 0;
}

double DomainAccumulator::joules() const noexcept {
  return std::visit([](const auto& readings) { return readings.joules(); }, readings_);
}

double DomainAccumulator::sampling_u_joules() const noexcept {
  const auto* power = std::get_if<PowerIntegrator>(&readings_);
  return power != nullptr ? power->u_joules() : 0;
}

}  // namespace tern::energy
