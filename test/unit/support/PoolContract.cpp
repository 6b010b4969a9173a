#include "support/PoolContract.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cppunit/TestAssert.h>

#include <filesystem>
#include <fstream>

#include "support/Eventually.h"

namespace Passenger {

PoolSettings PoolContract::settings() {
    PoolSettings settings;
    settings.maxSize = 3;
    settings.idleTime = std::chrono::seconds(60);
    return settings;
}

void PoolContract::setUp() {
    PoolFixture::setUp();
    folder_ = std::make_unique<ApplicationFolder>("");
    {
        const std::lock_guard guard(measuring_);
        memory_.clear();
    }
    measuringTakes_ = std::chrono::milliseconds(0);
    pressure_ = 0;
    Pool::Parts parts = this->parts();
    parts.measureMemory = [this](const Process &process) -> std::optional<ProcessMemory> {
        const std::lock_guard guard(measuring_);
        clock_.advance(measuringTakes_.load());
        const auto found = memory_.find(process.id());
        return found == memory_.end() ? std::nullopt : std::optional(found->second);
    };
    parts.memoryPressure = [this](const std::string &) { return pressure_.load(); };
    makePool(parts, settings());
}

void PoolContract::tearDown() {
    factory_->release();
    endPool();
    folder_.reset();
    PoolFixture::tearDown();
}

void PoolContract::setMemory(InstanceId instance, std::uint64_t bytes, std::optional<std::uint64_t> allocated) {
    setMemory(instance, {.proportional = bytes, .privateDirty = bytes, .anonymous = allocated.value_or(bytes)});
}

void PoolContract::setMemory(InstanceId instance, const ProcessMemory &memory) {
    // A check that upkeep() has begun would judge by what the instance used before.
    CPPUNIT_ASSERT(eventually([this] { return !pool_->checksMemory(); }));
    const std::lock_guard guard(measuring_);
    memory_[instance] = memory;
}

Options PoolContract::inFolder() const {
    return app(folder_->path());
}

std::string PoolContract::restartFile() const {
    return folder_->path() + "/tmp/restart.txt";
}

void PoolContract::touch() {
    std::filesystem::create_directory(folder_->path() + "/tmp");
    std::ofstream(restartFile()).flush();
    const timespec times[2] = {{++restarted_, 0}, {restarted_, 0}};
    CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, restartFile().c_str(), times, 0));
}

void PoolContract::restart() {
    touch();
    pool_->checkRestarts();
    step();
}

GroupSnapshot PoolContract::group(const Options &options) const {
    step();
    for (const GroupSnapshot &group : pool_->inspect().groups) {
        if (group.name == options.groupName()) {
            return group;
        }
    }
    CPPUNIT_FAIL("The pool knows no " + options.groupName());
    return {};
}

std::vector<ProcessSnapshot> PoolContract::instances(const Options &options) const {
    return group(options).processes;
}

std::vector<InstanceId> PoolContract::instancesThat(Process::State state, const Options &options) const {
    std::vector<InstanceId> ids;
    for (const ProcessSnapshot &process : instances(options)) {
        if (process.state == nameOf(state)) {
            ids.push_back(process.id);
        }
    }
    return ids;
}

bool PoolContract::eventuallyState(GroupState state, const Options &options) const {
    return eventually([&] { return group(options).state == nameOf(state); });
}

bool PoolContract::eventuallyServing(std::size_t count, const Options &options) const {
    return eventually([&] {
        const GroupSnapshot snapshot = group(options);
        return snapshot.starting == 0 && instancesThat(Process::State::SERVING, options).size() == count;
    });
}

InstanceId PoolContract::idOf(const HeldPtr &request, const Options &options) const {
    for (const ProcessSnapshot &process : instances(options)) {
        if (request->cell() - process.cells.first < process.cells.count &&
            process.state != nameOf(Process::State::STANDBY)) {
            return process.id;
        }
    }
    return InstanceId();
}

unsigned PoolContract::size() const {
    step();
    return pool_->inspect().size;
}

}  // namespace Passenger
