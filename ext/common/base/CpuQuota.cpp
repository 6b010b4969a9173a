#include "base/CpuQuota.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** The path of the group in the hierarchy of cgroup v2; nothing: it cannot be seen from here. */
std::optional<std::string> groupIn(const std::string &membership) {
    constexpr std::string_view UNIFIED = "0::/";
    for (const std::string &line : split(membership, '\n')) {
        if (line.starts_with(UNIFIED) && line.find("/..") == std::string::npos) {
            return line.substr(UNIFIED.size() - 1);
        }
    }
    return std::nullopt;
}

/** cpu.max has `QUOTA PERIOD` in microseconds, or `max PERIOD`. The root has no such file. */
std::optional<double> limitOf(const std::string &folder) {
    std::istringstream limit(fileContent(folder + "/cpu.max"));
    double quota = 0;
    double period = 0;
    return limit >> quota >> period && quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

CpuQuota quotaOf(const std::string &folder, double cores) {
    CpuQuota quota;
    quota.folder = folder;
    quota.cores = cores;
    std::istringstream statistics(fileContent(folder + "/cpu.stat"));
    std::string name;
    for (std::uint64_t value = 0; statistics >> name >> value;) {
        if (name == "usage_usec") {
            quota.used = std::chrono::microseconds(value);
        } else if (name == "nr_periods") {
            quota.periods = value;
        } else if (name == "nr_throttled") {
            quota.throttled = value;
        }
    }
    return quota;
}

double useOf(const CpuQuota &before, const CpuQuota &after, std::chrono::nanoseconds passed) {
    const std::chrono::duration<double> used = after.used - before.used;
    const double ofTime = used / passed / after.cores;
    const auto periods = static_cast<double>(after.periods - std::min(before.periods, after.periods));
    const auto throttled = static_cast<double>(after.throttled - std::min(before.throttled, after.throttled));
    return std::clamp(std::max(ofTime, periods > 0 ? throttled / periods : 0), 0.0, 1.0);
}

}  // namespace

CgroupFiles CgroupFiles::of(std::int64_t pid) {
    CgroupFiles files;
    files.membership = fmt::format("/proc/{}/cgroup", pid);
    return files;
}

std::vector<std::string> CgroupFiles::groups() const {
    std::vector<std::string> folders;
    auto group = groupIn(fileContent(membership));
    while (group) {
        // A container may see its own group as the hierarchy, though /proc names one further down.
        folders.push_back(hierarchy + (*group == "/" ? "" : *group));
        const std::size_t parent = group->size() > 1 ? group->rfind('/') : std::string::npos;
        group = parent == std::string::npos ? std::nullopt
                                            : std::optional(group->substr(0, std::max<std::size_t>(parent, 1)));
    }
    return folders;
}

std::vector<CpuQuota> cpuQuotas(const CgroupFiles &files, unsigned processors) {
    std::vector<CpuQuota> quotas;
    for (const std::string &folder : files.groups()) {
        if (const auto cores = limitOf(folder); cores && *cores < processors) {
            quotas.push_back(quotaOf(folder, *cores));
        }
    }
    return quotas;
}

std::optional<double> leastQuota(const std::vector<CpuQuota> &quotas) {
    std::optional<double> least;
    for (const CpuQuota &quota : quotas) {
        least = std::min(least.value_or(quota.cores), quota.cores);
    }
    return least;
}

unsigned wholeProcessors(const CgroupFiles &files, unsigned processors) {
    return std::max(1U, static_cast<unsigned>(leastQuota(cpuQuotas(files, processors)).value_or(processors)));
}

std::optional<double> quotaUse(const std::vector<CpuQuota> &before, const std::vector<CpuQuota> &after,
                               std::chrono::nanoseconds passed) {
    std::optional<double> most;
    for (const CpuQuota &then : before) {
        const auto now = std::find_if(after.begin(), after.end(),
                                      [&then](const CpuQuota &one) { return one.folder == then.folder; });
        if (now != after.end() && passed.count() > 0) {
            most = std::max(most.value_or(0), useOf(then, *now, passed));
        }
    }
    return most;
}

}  // namespace Passenger
