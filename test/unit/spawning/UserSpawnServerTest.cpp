#include "spawning/UserSpawnServer.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"
#include "spawning/ServerAccount.h"
#include "support/CrowdedDescriptors.h"
#include "support/Expect.h"
#include "support/NoDescriptors.h"
#include "support/SpawningFixture.h"

namespace Passenger {

/** Changes of the user's data while the spawn server runs. */
class UserSpawnServerTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(UserSpawnServerTest);
    CPPUNIT_TEST(testTheSameDataLeaveTheSpawnServer);
    CPPUNIT_TEST(testChangedGroupsHomeOrShellNeedAnotherSpawnServer);
    CPPUNIT_TEST(testUnknownDataLeaveTheSpawnServer);
    CPPUNIT_TEST(testTheDataAreThoseOfTheSystem);
    CPPUNIT_TEST(testTheUserCannotFillTheLogByTheOutputOfTheSpawnServer);
    CPPUNIT_TEST(testAMissingRubyOfAnOrdinaryUserIsAFailureOfTheSpawnServer);
    CPPUNIT_TEST(testAShortageOfDescriptorsLeavesTheSpawnServer);
    CPPUNIT_TEST(testDescriptorsThatCannotBeSentLeaveTheSpawnServer);
    CPPUNIT_TEST_SUITE_END();

    // No spawn server runs as root.
    const std::string user_ = ::geteuid() == 0 ? "nobody" : "";
    const std::shared_ptr<std::atomic<pid_t>> pid_ = std::make_shared<std::atomic<pid_t>>(0);
    std::optional<ServerAccount> account_;
    std::unique_ptr<UserSpawnServer> server_;

    /** @return the pid of the spawn server that runs then */
    pid_t ensured() {
        server_->ensureStarted(settings());
        CPPUNIT_ASSERT(pid_->load() > 0);
        return pid_->load();
    }

public:
    void setUp() override {
        SpawningFixture::setUp();
        account_ = ServerAccount::of(user_, "");
        server_ = std::make_unique<UserSpawnServer>(*loop_, user_, "", pid_,
                                                    [this](const auto &, const auto &) { return account_; });
    }
    void tearDown() override {
        server_.reset();
        SpawningFixture::tearDown();
    }

    void testTheSameDataLeaveTheSpawnServer() {
        const pid_t first = ensured();
        CPPUNIT_ASSERT_EQUAL(first, ensured());
    }

    void testChangedGroupsHomeOrShellNeedAnotherSpawnServer() {
        CPPUNIT_ASSERT(account_.has_value());
        pid_t last = ensured();
        const auto expectAnother = [&] {
            const pid_t next = ensured();
            CPPUNIT_ASSERT(next != last);
            CPPUNIT_ASSERT_EQUAL(next, ensured());
            last = next;
        };
        account_->groups.push_back(12345);
        expectAnother();
        account_->user.home = "/srv/moved";
        expectAnother();
        account_->user.shell = "/bin/other";
        expectAnother();
        CPPUNIT_ASSERT_EQUAL(3U, log_->count("event=spawn_server.replaced"));
    }

    void testUnknownDataLeaveTheSpawnServer() {
        const pid_t first = ensured();
        account_.reset();
        CPPUNIT_ASSERT_EQUAL(first, ensured());
    }

    void testAMissingRubyOfAnOrdinaryUserIsAFailureOfTheSpawnServer() {
        // Without a user to become, the agent starts the Ruby itself.
        UserSpawnServer server(*loop_, "", "", pid_, [this](const auto &, const auto &) { return account_; });
        auto other = settings();
        other.rubyCommand = "/nonexistent/ruby";
        const std::string error = thrownBy<SpawnException>([&] { server.ensureStarted(other); }).what();
        CPPUNIT_ASSERT_MESSAGE(error, error.starts_with("the spawn server could not be started: "));
        CPPUNIT_ASSERT_MESSAGE(error, error.find("/nonexistent/ruby") != std::string::npos);
    }

    void testAShortageOfDescriptorsLeavesTheSpawnServer() { expectStays<NoDescriptors>(); }
    void testDescriptorsThatCannotBeSentLeaveTheSpawnServer() { expectStays<CrowdedDescriptors>(); }

    template <typename Shortage> void expectStays() {
        const pid_t first = ensured();
        {
            const Shortage shortage;
            CPPUNIT_ASSERT_THROW(
                server_->start(settings(), StartRequest(), std::chrono::steady_clock::now() + std::chrono::minutes(1)),
                SpawnException);
        }
        CPPUNIT_ASSERT_EQUAL(first, ensured());
        CPPUNIT_ASSERT(!log_->contains("event=spawn_server.lost"));
    }

    void testTheUserCannotFillTheLogByTheOutputOfTheSpawnServer() {
        constexpr unsigned BLOCKS = 30;
        constexpr unsigned LINES = 1000;
        const std::string output = "/proc/" + std::to_string(ensured()) + "/fd/1";
        {
            const FileDescriptor pipe(::open(output.c_str(), O_WRONLY | O_CLOEXEC));
            CPPUNIT_ASSERT(pipe);
            std::string block;
            for (unsigned i = 0; i < LINES; i++) {
                block += "x\n";
            }
            for (unsigned i = 0; i < BLOCKS; i++) {
                CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(block.size()),
                                     ::write(pipe.get(), block.data(), block.size()));
            }
        }
        server_.reset();
        CPPUNIT_ASSERT(log_->contains("event=output.cut app=\"spawn server of "));
        CPPUNIT_ASSERT(log_->count("event=spawn_server.output") < BLOCKS * LINES);
    }

    void testTheDataAreThoseOfTheSystem() {
        const auto root = ServerAccount::of("root", "daemon");
        CPPUNIT_ASSERT(root.has_value());
        CPPUNIT_ASSERT_EQUAL(std::string("/root"), root->user.home);
        CPPUNIT_ASSERT(!root->user.shell.empty());
        CPPUNIT_ASSERT(root->gid != root->user.gid && !root->groups.empty());
        CPPUNIT_ASSERT(root == ServerAccount::of("root", "daemon"));
        CPPUNIT_ASSERT(root != ServerAccount::of("root", ""));
        CPPUNIT_ASSERT(!ServerAccount::of("no such user", ""));
        CPPUNIT_ASSERT(!ServerAccount::of("root", "no such group"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UserSpawnServerTest);

}  // namespace Passenger
