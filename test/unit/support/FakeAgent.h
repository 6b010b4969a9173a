#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "client/AgentControl.h"
#include "io/AgentSettings.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * A test's connection to the pool process of a fake agent (test/unit/FakeAgent.cpp), which serves
 * one connection at a time.
 *
 * Where the settings' environment is "fail with CLASS" or "exit", the pool process does so at its
 * start; "warn" makes it warn. Each pool process starts an "instance", a process with a session and
 * a child of its own that only SIGKILL ends.
 */
class FakeAgentClient {
public:
    struct Welcome {
        pid_t poolPid = 0;
        pid_t instancePid = 0;
        std::string environment;
        /** "KEY=NOTE" */
        std::vector<std::string> restored;
    };

    explicit FakeAgentClient(int connectSocket);

    const Welcome &welcome() const noexcept { return welcome_; }
    void put(const std::string &key, const std::string &note, const FileDescriptor &descriptor);
    void remove(const std::string &key);
    /** Makes the pool process write into the descriptor that it got back under `key`. */
    void writeTo(const std::string &key, const std::string &text);
    void log(const std::string &text);
    /** Makes the pool process send to its watchdog what is no frame. */
    void sendNonsense();

private:
    Frame exchange(const Frame &request, const std::vector<int> &descriptors = {});

    FrameSocket socket_;
    Welcome welcome_;
};

/** Settings that start a fake agent. Its log goes nowhere. */
AgentSettings fakeAgentSettings();

}  // namespace Passenger
