#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/EndableThread.h"
#include "agent/EventInbox.h"
#include "base/Mutex.h"
#include "io/AgentSettings.h"
#include "rights/Rights.h"

namespace Passenger {

/**
 * PassengerOnEvent: runs a command when the log gets certain events (EventInbox), one at a time, in
 * a thread of its own. The command runs as the default user. Nothing else waits for it.
 *
 * httpd's children refuse requests by themselves when a queue is full. So the thread looks at the
 * counters every ten seconds, and logs `event=queue.full`.
 *
 * Owned by the engine. The methods are for one thread. The destructor kills a command that runs.
 */
class EventCommand {
public:
    /** By application: the requests that found a full queue. */
    using Refusals = std::map<std::string, std::uint64_t>;

    /** @param refusals called by the thread; may block. @throws SystemException */
    explicit EventCommand(std::function<Refusals()> refusals);
    ~EventCommand();
    EventCommand(const EventCommand &) = delete;
    EventCommand &operator=(const EventCommand &) = delete;

    /** The command of these settings from the next event on. @throws
     *  boost::thread_resource_error */
    void use(const AgentSettings &settings) EXCLUDES(mutex_);

    /** The variables for a line: PASSENGER_EVENT, PASSENGER_APP and so on, and PASSENGER_TEXT. */
    static std::vector<std::string> variablesOf(std::string_view line);

private:
    void work(const FileDescriptor &ending);
    void lookAtQueues();
    void run(const std::string &line, const FileDescriptor &ending);
    EventCommandStart startFor(const std::string &line) EXCLUDES(mutex_);

    const std::function<Refusals()> refusals_;
    /** Shared with the log's listener, which may outlive this object. */
    const std::shared_ptr<EventInbox> inbox_;
    Mutex mutex_{Locks::EVENT_COMMAND};
    AgentSettings settings_ GUARDED_BY(mutex_);
    bool running_ = false;
    /** The thread's own. */
    Refusals seen_;
    std::chrono::steady_clock::time_point seenAt_;
    EndableThread thread_;
};

}  // namespace Passenger
