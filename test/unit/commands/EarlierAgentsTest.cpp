#include "commands/EarlierAgents.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/KeptAnswers.h"
#include "commands/CommandTable.h"
#include "control/ControlVerbs.h"
#include "control/ServerStatus.h"
#include "io/FrameSocket.h"
#include "rights/RegistryFolder.h"

namespace Passenger {

class EarlierAgentsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(EarlierAgentsTest);
    CPPUNIT_TEST(testRefusalsCountForApplicationsThatTakeRequests);
    CPPUNIT_TEST(testAnAgentThatDoesNotTellIsNoAgentWithoutApplications);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    ServerStatus status_;
    /** The names of those about which orders came. */
    std::vector<std::string> ordered_;

    EarlierAgents agents() const {
        RunningAgent newest;
        newest.httpdPid = ::getppid();
        return {arguments_, newest};
    }
    RegistryFolder earlier() const { return RegistryFolder::make(folder_, ::getppid(), ::getpid(), 1); }
    void add(const std::string &name, unsigned waiting) {
        AppStatus app;
        app.name = name;
        app.queue.waiting = waiting;
        status_.apps.push_back(app);
    }
    /** Tells the status, and refuses orders. */
    void serve(FrameSocket socket) {
        KeptAnswers answers;
        for (;;) {
            const Frame order = socket.receive(FrameSocket::in(std::chrono::seconds(60)));
            const bool asks = order.field(0) == ControlVerb::STATUS;
            if (!asks) {
                ordered_.push_back(order.field(1));
            }
            socket.send(asks ? answers.answer(std::nullopt, toJson(status_)) : Frame(FrameType::ORDER_REFUSED, {"no"}),
                        FrameSocket::in(std::chrono::seconds(60)));
        }
    }
    void serveAll(const FileDescriptor &listener) {
        for (;;) {
            pollfd ready{listener.get(), POLLIN, 0};
            ::poll(&ready, 1, -1);
            FileDescriptor connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!connection) {
                return;
            }
            try {
                serve(FrameSocket(std::move(connection)));
            } catch (const std::exception &) {
                // The command has ended the connection.
            }
        }
    }

    Arguments arguments_ = Arguments::parse(*findCommand("passenger-status"), {});

public:
    void setUp() override {
        std::string name = std::filesystem::temp_directory_path() / "earlier-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(name.data()) != nullptr);
        folder_ = name;
        arguments_ = Arguments::parse(*findCommand("passenger-status"), {"--registry-dir=" + folder_});
    }
    void tearDown() override { std::filesystem::remove_all(folder_); }

    void testRefusalsCountForApplicationsThatTakeRequests() {
        add("drained only", 0);
        add("blog", 1);
        add("another", 1);
        add("shop", 1);
        const std::vector<AppStatus> chosen{status_.apps[0], status_.apps[1], status_.apps[3]};
        const RegistryFolder folder = earlier();
        std::thread agent([&] { serveAll(folder.socket); });
        const std::string failures = agents().order(chosen, ControlVerb::PAUSE, {"60"});
        const auto apps = agents().apps();
        ::shutdown(folder.socket.get(), SHUT_RDWR);
        agent.join();
        const std::string failure = "the agent of before the reload, " + std::to_string(::getpid()) + ": no";
        CPPUNIT_ASSERT_EQUAL(failure + "; " + failure, failures);
        CPPUNIT_ASSERT((ordered_ == std::vector<std::string>{"drained only", "blog", "shop"}));
        CPPUNIT_ASSERT(apps);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, apps->size());
    }

    // Its pool process is being replaced.
    void testAnAgentThatDoesNotTellIsNoAgentWithoutApplications() {
        CPPUNIT_ASSERT(agents().apps() && agents().apps()->empty());
        RegistryFolder folder = earlier();
        folder.socket.reset();
        CPPUNIT_ASSERT(!agents().apps());
        CPPUNIT_ASSERT(!agents().order({}, ControlVerb::PAUSE, {"60"}).empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EarlierAgentsTest);

}  // namespace Passenger
