#include "spawning/OutputFiles.h"

#include <cppunit/extensions/HelperMacros.h>
#include <boost/thread/exceptions.hpp>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <string>

#include "base/Exceptions.h"
#include "rights/OwnRights.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/FileSizeLimit.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"
#include "support/SmallLog.h"

namespace Passenger {

/** The files of PassengerAppLogFile. */
class OutputFilesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OutputFilesTest);
    CPPUNIT_TEST(testALineBehindABrokenOffLineBeginsAnew);
    CPPUNIT_TEST(testAFileWorksAfterItsThreadCouldNotBeStarted);
    CPPUNIT_TEST(testApplicationsOfOneUserShareAFile);
    CPPUNIT_TEST(testAFileIsOpenedAnewByOptionsThatStillCount);
    CPPUNIT_TEST_SUITE_END();

    /** Refuses some applications, as after a reload. */
    class FakeRights final : public OwnRights {
    public:
        FileDescriptor openForAppending(const std::string &path, const RunAs &owner,
                                        AppFile::NamedBy namedBy) override {
            {
                const std::scoped_lock lock(mutex_);
                if (const std::string &folder = owner.options.at("app_root"); refused_.contains(folder)) {
                    throw IOException("refused " + folder);
                }
            }
            ++opened;
            return OwnRights::openForAppending(path, RunAs(), namedBy);
        }
        void refuse(const std::set<std::string> &folders) {
            const std::scoped_lock lock(mutex_);
            refused_ = folders;
        }
        std::atomic<unsigned> opened = 0;

    private:
        std::mutex mutex_;
        std::set<std::string> refused_;
    };

    std::string folder_;
    FakeRights rights_;

    std::string path() const { return folder_ + "/app.log"; }

    std::string content() const {
        std::ifstream file(path());
        return {std::istreambuf_iterator<char>(file), {}};
    }

    static RunAs ownerOf(const std::string &folder) {
        RunAs owner;
        owner.options["app_root"] = folder;
        return owner;
    }

    /** Rotates the log, and writes a line. @return whether the line is in the new file */
    bool rotates(OutputFiles &files, const ProcessOutput::Sink &sink, const std::string &line) const {
        const std::string before = path() + ".1";
        std::filesystem::rename(path(), before);
        files.reopen(path());
        sink(1, line);
        const auto isIn = [&](const std::string &file) {
            std::ifstream stream(file);
            return std::string(std::istreambuf_iterator<char>(stream), {}).ends_with(line + "\n");
        };
        CPPUNIT_ASSERT(eventually([&] { return isIn(path()) || isIn(before); }));
        return isIn(path());
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-OutputFilesTest.XXXXXX";
        folder_ = ::mkdtemp(folder);
    }

    void tearDown() override {
        Rights::use(nullptr);
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testALineBehindABrokenOffLineBeginsAnew() {
        OutputFiles files;
        const auto sink = files.sinkFor(path(), RunAs());
        SmallLog log;
        {
            // The disk is full within the line.
            const FileSizeLimit limit(5);
            sink(1, "0123456789");
            log.readTo("event=app_log.failed");
        }
        CPPUNIT_ASSERT_EQUAL(std::string("App 1"), content());
        sink(1, "next");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("next\n"); }));
        CPPUNIT_ASSERT_EQUAL(std::string("App 1\nApp 1 output: next\n"), content());
    }

    void testApplicationsOfOneUserShareAFile() {
        Rights::use(&rights_);
        OutputFiles files;
        const auto blog = files.sinkFor(path(), ownerOf("/srv/blog"));
        blog(1, "one");
        const auto shop = files.sinkFor(path(), ownerOf("/srv/shop"));
        shop(1, "two");
        const auto again = files.sinkFor(path(), ownerOf("/srv/blog"));
        again(1, "three");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("three\n"); }));
        // Other options open it anew if it was open already.
        CPPUNIT_ASSERT(rights_.opened <= 2);
    }

    void testAFileIsOpenedAnewByOptionsThatStillCount() {
        Rights::use(&rights_);
        OutputFiles files;
        const auto blog = files.sinkFor(path(), ownerOf("/srv/blog"));
        const auto shop = files.sinkFor(path(), ownerOf("/srv/shop"));
        blog(1, "begin");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("begin\n"); }));
        rights_.refuse({"/srv/shop"});
        CPPUNIT_ASSERT(rotates(files, blog, "shop was removed"));
        rights_.refuse({"/srv/shop", "/srv/blog"});
        const CapturedLog log;
        CPPUNIT_ASSERT(!rotates(files, blog, "blog has moved"));
        CPPUNIT_ASSERT_MESSAGE("Why the latest fail", log.contains("error=\"refused /srv/shop\""));
        files.use(path(), ownerOf("/srv/new"));
        blog(1, "its options came");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("its options came\n"); }));
        CPPUNIT_ASSERT(rotates(files, blog, "and stay"));
    }

    void testAFileWorksAfterItsThreadCouldNotBeStarted() {
        OutputFiles files;
        {
            const NoThreads limit;
            CPPUNIT_ASSERT_THROW(files.sinkFor(path(), RunAs()), boost::thread_resource_error);
        }
        files.reopen(path());
        files.sinkFor(path(), RunAs())(1, "a line");
        CPPUNIT_ASSERT(eventually([this] { return content().ends_with("a line\n"); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OutputFilesTest);

}  // namespace Passenger
