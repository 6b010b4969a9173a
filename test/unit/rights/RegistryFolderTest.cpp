#include "rights/RegistryFolder.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/ControlService.h"
#include "agent/InstanceRegistry.h"
#include "base/Exceptions.h"
#include "base/ProcessStat.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/DescriptorRefusal.h"

namespace Passenger {

/** Other programs that remove old files. */
class RegistryFolderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RegistryFolderTest);
    CPPUNIT_TEST(testTheFolderIsLockedAsLongAsTheAgentLives);
    CPPUNIT_TEST(testAFolderStandsUntilAFileIsGone);
    CPPUNIT_TEST(testTheNamedSocketTakesNoDescriptorsBeforeAConnectionIsAccepted);
    CPPUNIT_TEST(testTheNextPoolProcessOfAnAnchorHasItsFolder);
    CPPUNIT_TEST(testTheAgentIsAsOldAsItsAnchor);
    CPPUNIT_TEST(testAFolderWhoseLockIsHeldIsLeft);
    CPPUNIT_TEST(testOnlyTheFolderOfThisAnchorIsRemoved);
    CPPUNIT_TEST(testAFolderWithoutItsPidIsRemovedToo);
    CPPUNIT_TEST(testNoLinkIsFollowedToWhatIsRemoved);
    CPPUNIT_TEST(testAnAnchorHasFewFolders);
    // The last one captures the log.
    CPPUNIT_TEST(testAReloadMakesALostFolderAnew);
    CPPUNIT_TEST_SUITE_END();

    CapturedLog log_;
    std::string parent_;

    static bool isLocked(const std::string &path) {
        const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0;
    }
    RegistryFolder make(pid_t anchor = 4711, pid_t pool = 4712) const {
        return RegistryFolder::make(parent_, 5, anchor, pool);
    }
    unsigned folders() const {
        unsigned count = 0;
        for (const auto &entry : std::filesystem::directory_iterator(parent_)) {
            count += entry.is_directory() ? 1 : 0;
        }
        return count;
    }

public:
    void setUp() override {
        std::string name = std::filesystem::temp_directory_path() / "registry-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(name.data()) != nullptr);
        parent_ = name;
    }
    void tearDown() override { std::filesystem::remove_all(parent_); }

    void testTheFolderIsLockedAsLongAsTheAgentLives() {
        auto folder = make();
        CPPUNIT_ASSERT(isLocked(folder.path));
        const std::string path = folder.path;
        folder = RegistryFolder();
        CPPUNIT_ASSERT(!isLocked(path));
    }

    // Commands choose the newest agent. A pool process that takes another one's place is no newer.
    void testTheAgentIsAsOldAsItsAnchor() {
        const auto startedAt = [](const RegistryFolder &folder) {
            std::ifstream file(folder.path + "/properties.json");
            const std::string text(std::istreambuf_iterator<char>(file), {});
            const std::string key = "\"started_at\":";
            return std::stol(text.substr(text.find(key) + key.size()));
        };
        // A process that is older than this test.
        const pid_t anchor = 1;
        double sinceBoot = 0;
        std::ifstream("/proc/uptime") >> sinceBoot;
        const auto ticks = static_cast<double>(ProcessStat::of(anchor)->startTime);
        const double age = sinceBoot - ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
        const auto started = startedAt(make(anchor));
        CPPUNIT_ASSERT(started <= std::time(nullptr) - 2);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(age, static_cast<double>(std::time(nullptr) - started), 10);
    }

    void testAFolderStandsUntilAFileIsGone() {
        for (const char *file : {"pid", "properties.json", "control"}) {
            const auto folder = make();
            CPPUNIT_ASSERT(folder.stands());
            std::filesystem::remove(folder.path + "/" + file);
            CPPUNIT_ASSERT(!folder.stands());
        }
        const auto folder = make();
        std::filesystem::rename(folder.path + "/pid", folder.path + "/before");
        std::ofstream(folder.path + "/pid") << "4713\n";
        CPPUNIT_ASSERT_MESSAGE("The lock is on another file", !folder.stands());
        CPPUNIT_ASSERT(!RegistryFolder().stands());
    }

    void testTheNamedSocketTakesNoDescriptorsBeforeAConnectionIsAccepted() {
        const auto folder = make();
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder.path + "/control").copy(address.sun_path, sizeof address.sun_path - 1);
        const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CPPUNIT_ASSERT_EQUAL(0, ::connect(socket.get(), reinterpret_cast<sockaddr *>(&address), sizeof address));
        assertPeerTakesNoDescriptors(socket);
    }

    void testAReloadMakesALostFolderAnew() {
        ControlService service(
            {[](const Asker &, const Frame &) { return Frame(FrameType::ORDER_DONE); }, [] {}, std::chrono::hours(1)});
        InstanceRegistry registry(service);
        registry.use(parent_, 5);
        registry.use(parent_, 6);
        CPPUNIT_ASSERT_EQUAL(1U, folders());
        CPPUNIT_ASSERT(!log_.contains("event=registry.lost"));
        for (const auto &entry : std::filesystem::directory_iterator(parent_)) {
            std::filesystem::remove_all(entry);
        }
        registry.use(parent_, 6);
        CPPUNIT_ASSERT_EQUAL(1U, folders());
        CPPUNIT_ASSERT(log_.contains("event=registry.lost"));
        registry.use("", 6);
        CPPUNIT_ASSERT_EQUAL(0U, folders());
    }

    void testTheNextPoolProcessOfAnAnchorHasItsFolder() {
        auto folder = make();
        const std::string path = folder.path;
        folder = RegistryFolder();
        folder = make(4711, 4713);
        CPPUNIT_ASSERT_EQUAL(path, folder.path);
        CPPUNIT_ASSERT(folder.stands());
        CPPUNIT_ASSERT(isLocked(path));
        std::ifstream file(path + "/properties.json");
        const std::string properties{std::istreambuf_iterator<char>(file), {}};
        CPPUNIT_ASSERT(properties.find("\"pool_pid\":4713,") != std::string::npos);
        // It lives.
        CPPUNIT_ASSERT(make().path != path);
        folder = RegistryFolder();
        const auto other = make(4714);
        CPPUNIT_ASSERT(other.path != path);
        CPPUNIT_ASSERT(!std::filesystem::exists(path));
    }

    void testAFolderWhoseLockIsHeldIsLeft() {
        auto folder = make();
        const std::string path = folder.path;
        folder = RegistryFolder();
        const FileDescriptor held(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(0, ::flock(held.get(), LOCK_EX | LOCK_NB));
        folder = make();
        CPPUNIT_ASSERT(folder.path != path);
        CPPUNIT_ASSERT_EQUAL(1U, folders());
    }

    void testOnlyTheFolderOfThisAnchorIsRemoved() {
        const auto own = make(4711);
        const auto other = make(4712);
        RegistryFolder::remove(other.path, 4711);
        CPPUNIT_ASSERT(other.stands());
        CPPUNIT_ASSERT(own.stands());
        RegistryFolder::remove(own.path, 4711);
        CPPUNIT_ASSERT(!std::filesystem::exists(own.path));
    }

    // Commands would find the agent there, too.
    void testAFolderWithoutItsPidIsRemovedToo() {
        const auto folder = make(4711);
        std::filesystem::remove(folder.path + "/pid");
        RegistryFolder::remove(folder.path, 471);
        CPPUNIT_ASSERT(std::filesystem::exists(folder.path));
        RegistryFolder::remove(folder.path, 4711);
        CPPUNIT_ASSERT(!std::filesystem::exists(folder.path));
    }

    void testNoLinkIsFollowedToWhatIsRemoved() {
        const auto folder = make(4711);
        const std::string link = parent_ + "/passenger.linked";
        std::filesystem::create_directory_symlink(folder.path, link);
        RegistryFolder::remove(link, 4711);
        CPPUNIT_ASSERT(folder.stands());
        CPPUNIT_ASSERT(RegistryFolder::isIn(parent_, folder.path));
        CPPUNIT_ASSERT(RegistryFolder::isIn(parent_ + "/", folder.path));
        for (const std::string &path : {parent_ + "/passenger./../..", parent_ + "/x/passenger.abcdef",
                                        parent_ + "/control", parent_, std::string()}) {
            CPPUNIT_ASSERT_MESSAGE(path, !RegistryFolder::isIn(parent_, path));
        }
        CPPUNIT_ASSERT(!RegistryFolder::isIn("", "/passenger.abcdef"));
    }

    void testAnAnchorHasFewFolders() {
        constexpr unsigned MOST = 16;
        std::vector<RegistryFolder> made;
        for (unsigned i = 0; i < MOST; ++i) {
            made.push_back(make(4711));
        }
        CPPUNIT_ASSERT_THROW(make(4711), IOException);
        CPPUNIT_ASSERT_EQUAL(MOST, folders());
        const auto other = make(4712);
        CPPUNIT_ASSERT(other.stands());
        made.pop_back();
        CPPUNIT_ASSERT(make(4711).stands());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RegistryFolderTest);

}  // namespace Passenger
