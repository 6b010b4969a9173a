#include "support/ScaledApplication.h"

#include <functional>
#include <memory>
#include <utility>

namespace Passenger {

ScaledApplication::ScaledApplication(PoolContext &context, Room &room, const std::string &named, std::uint32_t slot,
                                     const Options &given)
    : context_(context),
      room_(room),
      name(named),
      options(given),
      queue(slot, name, context.channels, context.store),
      instances(context.store, context.clock, context.cpu, queue, std::bind_front(&PoolContext::bury, &context)),
      pause(context.pauses, context.clock, queue, instances),
      spawns(counters),
      reports(name, context.reports),
      versions(name, context.threads, context.factory.create(options)),
      demand(options, context.settings, context.pauses, queue, instances),
      preloader({name, options, context, spawns, instances, versions, counters},
                {[this](Process &process, const std::string &why) REQUIRES(poolLock) { scaler.replace(process, why); },
                 [this]() REQUIRES(poolLock) { scaler.rescale(); }}),
      succession(
          {name, options, context, queue, instances, pause, spawns, reports, versions, demand, preloader, counters}),
      hangs(name, options, queue, instances),
      starter({name, options, context, queue, instances, pause, spawns, versions, succession, preloader}, *this),
      scaler({name, options, context, room, queue, instances, spawns, versions, demand, succession, hangs, preloader,
              starter, counters},
             [this](std::optional<MonotonicTime> next) { date = next; }) {
    room.add(scaler);
}

ScaledApplication::~ScaledApplication() {
    {
        const PoolGuard guard(context_);
        starter.cancel();
        versions.shutDown();
    }
    context_.threads.join();
    std::vector<ProcessPtr> ended;
    const PoolGuard guard(context_);
    ended = instances.takeAll();
}

void ScaledApplication::request() {
    if (!queue.current()) {
        queue.makeCurrent(context_.makeQueue(options));
    }
    demand.requested(context_.clock.now());
}

ProcessPtr ScaledApplication::serve() {
    auto process = std::make_shared<Process>(SpawnResult{}, context_.nextInstance(), versions.current(),
                                             context_.clock.now(), Process::Start());
    process->give({1, Generation(), queue.cells().allocate(1).value()});
    instances.add(process);
    room_.enter(scaler);
    demand.joined(context_.clock.now(), true, true);
    return process;
}

void ScaledApplication::end(const ProcessPtr &process) {
    instances.remove(process);
}

void ScaledApplication::joined(const SpawnTask &task, const ProcessPtr &process, bool wanted) {
    (wanted ? joinedWanted : joinedUnwanted)++;
    instances.add(process);
    if (wanted) {
        succession.takeOver(task);
    }
}

void ScaledApplication::failed(const SpawnTask &, GetFailure failure) {
    failuresTold.push_back(std::move(failure.summary));
}

}  // namespace Passenger
