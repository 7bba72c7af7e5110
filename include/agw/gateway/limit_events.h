// Limits that run low, told to whoever reads the audit log.
#pragma once

#include "agw/audit/writer.h"
#include "agw/io/clock.h"
#include "agw/io/log.h"
#include "agw/io/random.h"
#include "agw/limits/limiter.h"

namespace agw::gateway {

/// One event `limit.threshold` for each crossing.
class LimitEvents final : public limits::Listener {
 public:
  LimitEvents(audit::Writer& audit, Clock& clock, Random& random, Log& log)
      : audit_(audit), clock_(clock), random_(random), log_(log) {}
  void limit_crossed(const policy::Charge& charge, int percent) noexcept override;

 private:
  audit::Writer& audit_;
  Clock& clock_;
  Random& random_;
  Log& log_;
};

}  // namespace agw::gateway
