#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace Passenger {

/**
 * The memory and the CPU time of instances, each measured every few seconds at most.
 *
 * Not thread-safe. Blocks on the file system: a measurement takes milliseconds.
 */
class InstanceFacts {
public:
    /** The memory of an instance in bytes, if it can be measured. @param family with descendants */
    using Measure = std::function<std::optional<std::uint64_t>(pid_t pid, bool family)>;
    struct Facts {
        /** 0: not measured. */
        std::uint64_t memory = 0;
        /** Since its start; for `family`, of its living descendants, too. */
        std::chrono::nanoseconds cpuTime{0};
    };

    explicit InstanceFacts(Measure measure) : measure_(std::move(measure)) {}

    /** Measurements that follow take as long together at most. Later ones get older figures. */
    void begin(std::chrono::milliseconds budget);
    Facts of(pid_t pid, bool family);
    /** Forgets instances that were not asked for since the last call. */
    void forgetOld();

private:
    struct Entry {
        Facts facts;
        std::chrono::steady_clock::time_point measured{};
        bool asked = true;
    };

    const Measure measure_;
    std::chrono::steady_clock::time_point deadline_{};
    std::map<pid_t, Entry> entries_;
};

}  // namespace Passenger
