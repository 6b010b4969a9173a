#include "pool/SystemCpuLoad.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <utility>

#include "base/CpuTime.h"
#include "base/FileContent.h"
#include "base/Processors.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds WINDOW{100};
/** A longer measurement does not tell which processors are free now. */
constexpr std::chrono::seconds LONGEST{1};
/**
 * The fields of the line "cpu" that are added up: user nice system idle iowait irq softirq steal.
 * The guests' time is in user already.
 */
constexpr int FIELDS = 8;
constexpr int NICE = 1;
constexpr int IDLE = 3;
constexpr int IO_WAIT = 4;

}  // namespace

SystemCpuLoad::SystemCpuLoad(const Clock &clock, CgroupFiles files)
    : clock_(clock), files_(std::move(files)), measured_(clock.now()) {
    look();
    idleCores_ = cores_;
}

/** Also for a quota or a cpuset that has changed meanwhile. */
void SystemCpuLoad::look() {
    processors_ = processorsOf();
    last_ = read();
    const auto processors = static_cast<unsigned>(processors_.size());
    quotas_ = cpuQuotas(files_, processors);
    cores_ = static_cast<unsigned>(std::ceil(leastQuota(quotas_).value_or(processors)));
}

SystemCpuLoad::Times SystemCpuLoad::read() const {
    std::istringstream file(timesOf(processors_, fileContent("/proc/stat")));
    std::string label;
    file >> label;
    Times times;
    std::uint64_t value = 0;
    for (int field = 0; field < FIELDS && file >> value; field++) {
        times.all += value;
        times.idle += field == NICE || field == IDLE || field == IO_WAIT ? value : 0;
    }
    return times;
}

double SystemCpuLoad::idleCores() {
    const MonotonicTime now = clock_.now();
    if (now - measured_ >= WINDOW) {
        const Times before = last_;
        const std::vector<CpuQuota> quotasBefore = std::move(quotas_);
        look();
        if (const auto use = quotaUse(quotasBefore, quotas_, now - measured_)) {
            idleCores_ = cores_ * (1 - *use);
        } else if (last_.all > before.all) {
            const auto idle = static_cast<double>(last_.idle > before.idle ? last_.idle - before.idle : 0);
            idleCores_ = cores_ * idle / static_cast<double>(last_.all - before.all);
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
