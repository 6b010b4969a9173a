#include "pool/InstanceStore.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

/** Keeps one entry. */
class OneEntry final : public DescriptorStore {
public:
    void put(const std::string &newKey, const std::string &newNote, const std::vector<int> &all) override {
        key = newKey;
        note = newNote;
        descriptors.clear();
        for (const int each : all) {
            descriptors.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, 0));
        }
    }
    void remove(const std::string &removed) override { key = removed == key ? "" : key; }

    std::string key;
    std::string note;
    std::vector<FileDescriptor> descriptors;
};

ino_t inodeOf(const FileDescriptor &descriptor) {
    struct stat status {};
    CPPUNIT_ASSERT_EQUAL(0, ::fstat(descriptor.get(), &status));
    return status.st_ino;
}

}  // namespace

class InstanceStoreTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InstanceStoreTest);
    CPPUNIT_TEST(testAnInstanceIsRestoredAsItWasLeft);
    CPPUNIT_TEST(testItsClaimsAreThoseOfAllFiles);
    CPPUNIT_TEST(testNoMoreFilesOfClaimsAreLeftThanAFrameHolds);
    CPPUNIT_TEST(testAnInstanceWithAMalformedNoteIsToldToEnd);
    CPPUNIT_TEST(testAnEntryNeedsClaims);
    CPPUNIT_TEST(testTheEntryOfAnInstanceIsRemoved);
    CPPUNIT_TEST_SUITE_END();

    struct Files {
        DescriptorPair control = makeStreamPair();
        DescriptorPair output = makeStreamPair();
        Claims claims;
        Claims former;
    };

    // Made in setUp(): CppUnit makes the fixtures of all tests before the first test runs.
    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<OneEntry> entry_;
    std::unique_ptr<InstanceStore> store_;
    std::unique_ptr<Files> files_;

    static InstanceNote note() {
        InstanceNote note;
        note.pid = 4711;
        note.threads = 2;
        note.serves = true;
        note.isAsgi = true;
        note.deployFailed = true;
        note.restartFile = "12.34";
        note.group = "app-u1";
        note.app = "blog";
        return note;
    }
    void put(const std::vector<InstanceStore::Part> &parts) {
        // Any descriptor can stand for the pidfd.
        store_->put(note(), {files_->output.second.get(), files_->control.first.get(), files_->output.first.get()},
                    parts);
    }
    std::optional<Orphan> restore() {
        return store_->restore(entry_->key, entry_->note, std::move(entry_->descriptors),
                               [this](const std::string &app, const std::string &name) {
                                   askedFor_ = app + " " + name;
                                   return nullptr;
                               });
    }
    InstanceStore::Part own() const { return {files_->claims.memory().descriptor().get(), {4, 2}}; }
    InstanceStore::Part former() const { return {files_->former.memory().descriptor().get(), {7, 2}}; }
    static void claim(const Claims &claims, std::uint32_t cell) {
        const ClaimCell value{7, 9};
        const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell));
        CPPUNIT_ASSERT(::pwrite(claims.memory().descriptor().get(), &value, sizeof(value), offset) > 0);
    }
    std::string askedFor_;

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        entry_ = std::make_unique<OneEntry>();
        store_ = std::make_unique<InstanceStore>(*entry_);
        files_ = std::make_unique<Files>();
        askedFor_.clear();
    }
    void tearDown() override {
        files_.reset();
        store_.reset();
        entry_.reset();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testAnInstanceIsRestoredAsItWasLeft() {
        put({own()});
        CPPUNIT_ASSERT_EQUAL(InstanceStore::keyOf(4711), entry_->key);
        CPPUNIT_ASSERT(InstanceStore::isEntry(entry_->key, entry_->descriptors.size()));
        const Orphan orphan = restore().value();
        InstanceNote left = note();
        left.cells = {{4, 2}};
        CPPUNIT_ASSERT_EQUAL(left.toText(), orphan.note.toText());
        CPPUNIT_ASSERT_EQUAL(4711, orphan.left.pid);
        CPPUNIT_ASSERT(orphan.left.isAsgi && !orphan.left.hasDescendants);
        CPPUNIT_ASSERT_EQUAL(inodeOf(files_->output.second), inodeOf(orphan.left.pidFd));
        CPPUNIT_ASSERT_EQUAL(inodeOf(files_->control.first), inodeOf(orphan.left.control));
        CPPUNIT_ASSERT_EQUAL(inodeOf(files_->output.first), inodeOf(orphan.left.output));
        CPPUNIT_ASSERT_EQUAL(std::string("blog app-u1"), askedFor_);
    }

    void testItsClaimsAreThoseOfAllFiles() {
        put({own(), former()});
        const Orphan orphan = restore().value();
        CPPUNIT_ASSERT_EQUAL(0U, orphan.claims->taken());
        claim(files_->claims, 5);
        claim(files_->claims, 6);
        claim(files_->former, 8);
        CPPUNIT_ASSERT_EQUAL(2U, orphan.claims->taken());
    }

    void testNoMoreFilesOfClaimsAreLeftThanAFrameHolds() {
        std::vector<InstanceStore::Part> parts{own()};
        parts.resize(MAX_DESCRIPTORS, former());
        put(parts);
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS, entry_->descriptors.size());
        const Orphan orphan = restore().value();
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS - 3, orphan.claims->parts().size());
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS - 3, orphan.note.cells.size());
        CPPUNIT_ASSERT_EQUAL(4U, orphan.claims->parts().front().cells.first);
    }

    void testAnInstanceWithAMalformedNoteIsToldToEnd() {
        put({own()});
        entry_->note = "nonsense";
        CPPUNIT_ASSERT(!restore());
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::recv(files_->control.second.get(), &byte, 1, MSG_DONTWAIT));
        CPPUNIT_ASSERT_EQUAL(std::string(), entry_->key);
        CPPUNIT_ASSERT(log_->contains("event=instance.not_restored"));
    }

    void testAnEntryNeedsClaims() {
        CPPUNIT_ASSERT(InstanceStore::isEntry("instance:5", 4));
        CPPUNIT_ASSERT(!InstanceStore::isEntry("instance:5", 3));
        CPPUNIT_ASSERT(!InstanceStore::isEntry("queue:5", 4));
    }

    void testTheEntryOfAnInstanceIsRemoved() {
        put({own()});
        store_->remove(5);
        CPPUNIT_ASSERT(!entry_->key.empty());
        store_->remove(4711);
        CPPUNIT_ASSERT(entry_->key.empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceStoreTest);

}  // namespace Passenger
