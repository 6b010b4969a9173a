/*
 * The agent with a pool engine that only does what the tests of its processes ask for:
 * AgentControlTest and WatchdogTest start it in place of passenger-agent. What it can do is
 * described in support/FakeAgent.h.
 */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/thread/exceptions.hpp>
#include <boost/thread/thread.hpp>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/CommandLine.h"
#include "agent/PoolEngine.h"
#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/Mutex.h"
#include "io/Frame.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** Serves one connection at a time, in a thread of its own. */
class FakeEngine final : public PoolEngine {
public:
    explicit FakeEngine(const PoolEngineParts &parts) : store_(parts.store), stop_(makePipe()) {}
    ~FakeEngine() override { stop(); }

    void restore(StoreEntry entry) override { restored_.push_back(std::move(entry)); }

    void begin(const AgentSettings &settings, FileDescriptor serverSocket) override {
        fail(settings.environment);
        update(settings);
        startInstance();
        serverSocket_ = std::move(serverSocket);
        thread_ = boost::thread([this] { acceptClients(); });
    }

    void update(const AgentSettings &settings) override {
        const LockGuard guard(mutex_);
        environment_ = settings.environment;
    }

    void logReopened(const std::string & /*number*/, const std::string & /*error*/) override {}

    void release() override {}

    void ping(std::function<void()> answer) override { answer(); }

    pid_t spawnServerPid() const override { return instancePid_; }

    std::string warning() const override { return environment() == "warn" ? "as you wished" : ""; }

    void stop() override {
        stop_.second.reset();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    static void fail(const std::string &how) {
        if (how == "fail with SystemException") {
            throw SystemException("open(\"/nowhere\")", ENOENT);
        } else if (how == "fail with SpawnException") {
            throw SpawnException("ruby is not there", "step by step");
        } else if (how == "fail with thread_resource_error") {
            throw boost::thread_resource_error(EAGAIN, "too many threads");
        } else if (how == "exit") {
            _exit(3);
        }
    }

    /** It ends neither with us nor when it is asked to, and is in no session of ours. */
    void startInstance() {
        ChildProcess::Command command;
        command.program = "sh";
        command.arguments = {"-c", "trap '' TERM INT HUP; sleep 600 & wait; wait"};
        command.newSession = true;
        instancePid_ = ChildProcess(command).release();
    }

    /** False: it is time to end. */
    bool waitFor(int fd) const {
        pollfd entries[] = {{stop_.first.get(), POLLIN, 0}, {fd, POLLIN, 0}};
        while (::poll(entries, 2, -1) < 0) {
        }
        return entries[0].revents == 0;
    }

    void acceptClients() {
        while (waitFor(serverSocket_.get())) {
            char byte[16];
            if (receiveWithDescriptors(serverSocket_, byte).size == 0) {
                return;
            }
            DescriptorPair pair = makeStreamPair();
            const int end = pair.second.get();
            sendWithDescriptors(serverSocket_, "!", {&end, 1});
            pair.second.reset();
            serve(FrameSocket(std::move(pair.first)));
        }
    }

    void serve(FrameSocket client) {
        try {
            while (waitFor(client.descriptor().get())) {
                client.send(answer(client.receive(FrameSocket::in(TIMEOUT))), FrameSocket::in(TIMEOUT));
            }
        } catch (const IOException &) {
            // The client left.
        }
    }

    std::string environment() const {
        const LockGuard guard(mutex_);
        return environment_;
    }

    Frame answer(Frame request) {
        switch (request.type) {
            case FrameType::HELLO: {
                Frame welcome(FrameType::WELCOME,
                              {std::to_string(::getpid()), std::to_string(instancePid_), environment()});
                for (const auto &entry : restored_) {
                    welcome.add(entry.key + "=" + entry.note);
                }
                return welcome;
            }
            case FrameType::STORE:
                store_.put(request.field(0), request.field(1), {request.takeDescriptor(0).get()});
                break;
            case FrameType::REMOVE: store_.remove(request.field(0)); break;
            case FrameType::QUERY:
                if (request.field(0) == "log") {
                    Log::error("{}", request.field(1));
                } else if (request.field(0) == "nonsense") {
                    sendNonsense();
                } else {
                    writeTo(request.field(0), request.field(1));
                }
                break;
            default: break;
        }
        return Frame(FrameType::VALUE);
    }

    /** To the watchdog, whose frames are descriptor 3 of each pool process. */
    static void sendNonsense() {
        const std::string nonsense(64, '\xff');
        if (::write(3, nonsense.data(), nonsense.size()) < 0) {
            throw SystemException("write", errno);
        }
    }

    void writeTo(const std::string &key, const std::string &text) {
        for (const auto &entry : restored_) {
            if (entry.key == key && ::write(entry.descriptors.at(0).get(), text.data(), text.size()) < 0) {
                throw SystemException("write", errno);
            }
        }
    }

    static constexpr std::chrono::seconds TIMEOUT{60};

    DescriptorStore &store_;
    DescriptorPair stop_;
    std::vector<StoreEntry> restored_;
    mutable Mutex mutex_{Locks::POOL_ENGINE};
    std::string environment_ GUARDED_BY(mutex_);
    pid_t instancePid_ = 0;
    FileDescriptor serverSocket_;
    boost::thread thread_;
};

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    return Passenger::runCommandLine(
        argc, argv, [](const Passenger::PoolEngineParts &parts) -> std::unique_ptr<Passenger::PoolEngine> {
            return std::make_unique<Passenger::FakeEngine>(parts);
        });
}
