#pragma once
// The energy of one domain over one window, whatever its readings are: a counter is unwrapped, a
// sensor of power is integrated. The meter needs to know no more than this.

#include <string>
#include <variant>

#include "energy/counter_unwrapper.h"
#include "energy/energy_source.h"
#include "energy/power_integrator.h"

namespace tern::energy {

class DomainAccumulator {
 public:
  explicit DomainAccumulator(const Domain& domain);

  void feed(const Reading& reading);
  Fault fault() const noexcept;
  const std::string& why() const noexcept;  // a clause; empty without a fault

  // Since the first reading; meaningless after a fault.
  bool moved() const noexcept;  // any energy at all
  double joules() const noexcept;
  double sampling_u_joules() const noexcept;  // one standard uncertainty; 0 for a counter

 private:
  std::variant<CounterUnwrapper, PowerIntegrator> readings_;
};

}  // namespace tern::energy
