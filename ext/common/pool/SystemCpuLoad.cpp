#include "pool/SystemCpuLoad.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/CpuTime.h"
#include "base/FileContent.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds WINDOW{100};
/** A longer measurement does not tell which processors are free now. */
constexpr std::chrono::seconds LONGEST{1};

/** Processors count as free, too, whose processes wait for a disk or have a low priority. */
std::uint64_t idleOf(const ProcessorTimes &times) {
    return times.nice + times.idle + times.wait;
}

}  // namespace

SystemCpuLoad::SystemCpuLoad(const Clock &clock, CgroupFiles files)
    : clock_(clock), files_(std::move(files)), measured_(clock.now()) {
    look();
    idleCores_ = cores_;
}

/** Also for a quota or a cpuset that has changed meanwhile. */
void SystemCpuLoad::look() {
    processors_ = processorsOf();
    last_ = timesOf(processors_, fileContent("/proc/stat"));
    const auto processors = static_cast<unsigned>(processors_.size());
    quotas_ = cpuQuotas(files_, processors);
    cores_ = static_cast<unsigned>(std::ceil(leastQuota(quotas_).value_or(processors)));
}

double SystemCpuLoad::idleCores() {
    const MonotonicTime now = clock_.now();
    if (now - measured_ >= WINDOW) {
        const ProcessorTimes before = last_;
        const std::vector<CpuQuota> quotasBefore = std::move(quotas_);
        look();
        if (const auto use = quotaUse(quotasBefore, quotas_, now - measured_)) {
            idleCores_ = cores_ * (1 - *use);
        } else if (last_.all > before.all) {
            const std::uint64_t idle = idleOf(last_) - std::min(idleOf(last_), idleOf(before));
            idleCores_ = cores_ * static_cast<double>(idle) / static_cast<double>(last_.all - before.all);
        }
        if (now - measured_ > LONGEST) {
            // The next look, which measures anew, finds the others.
            idleCores_ = std::min(idleCores_, 1.0);
        }
        measured_ = now;
    }
    return idleCores_;
}

void SystemCpuLoad::claim() {
    idleCores_ = std::max(idleCores_ - 1, 0.0);
}

std::optional<std::chrono::nanoseconds> SystemCpuLoad::usedBy(pid_t pid) {
    return cpuTimeOfFamily(pid);
}

}  // namespace Passenger
