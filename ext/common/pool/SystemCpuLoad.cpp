#include "pool/SystemCpuLoad.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "base/CpuTime.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds WINDOW{100};
/**
 * The fields of the line "cpu" that are added up: user nice system idle iowait irq softirq steal.
 * The guests' time is in user already.
 */
constexpr int FIELDS = 8;
constexpr int NICE = 1;
constexpr int IDLE = 3;
constexpr int IO_WAIT = 4;

}  // namespace

SystemCpuLoad::SystemCpuLoad(const Clock &clock)
    : clock_(clock),
      cores_(std::max(std::thread::hardware_concurrency(), 1U)),
      measured_(clock.now()),
      last_(read()),
      idleCores_(cores_) {}

SystemCpuLoad::Times SystemCpuLoad::read() {
    std::ifstream file("/proc/stat");
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
        const Times times = read();
        if (times.all > last_.all) {
            const auto idle = static_cast<double>(times.idle > last_.idle ? times.idle - last_.idle : 0);
            idleCores_ = cores_ * idle / static_cast<double>(times.all - last_.all);
        }
        last_ = times;
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
