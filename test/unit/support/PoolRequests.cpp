#include "support/PoolRequests.h"

#include <cppunit/TestAssert.h>

#include <utility>

#include "support/Eventually.h"

namespace Passenger {

HeldRequest::HeldRequest(PoolRequests &requests, MessageSessionPtr session, DummyInstance &instance, unsigned thread)
    : requests_(requests), session_(std::move(session)), instance_(instance), thread_(thread) {
    requests_.held_.insert(this);
}

HeldRequest::~HeldRequest() {
    requests_.finish(*this);
}

Answer::~Answer() {
    requests_.leave(*this);
}

bool Answer::here() {
    requests_.step();
    return over_;
}

bool Answer::comes() {
    return over_ || eventually([this] { return here(); });
}

HeldPtr Answer::session() {
    CPPUNIT_ASSERT_MESSAGE("No answer came", comes());
    CPPUNIT_ASSERT_MESSAGE("The request was refused: " + (refusal_ ? refusal_->summary : ""), held_ != nullptr);
    return std::move(held_);
}

const Refusal &Answer::failure() {
    CPPUNIT_ASSERT_MESSAGE("No answer came", comes());
    CPPUNIT_ASSERT_MESSAGE("The request was not refused", refusal_ != nullptr);
    return *refusal_;
}

PoolRequests::PoolRequests(Pool &pool, DummyInstances &instances, EventLoop &loop)
    : pool_(pool), instances_(instances), loop_(loop), buffer_(MessageSession::BUFFER_SIZE) {}

AnswerPtr PoolRequests::ask(const Options &options) {
    auto answer = std::make_shared<Answer>(*this);
    answer->number_ = ++lastNumber_;
    answer->environment_ = std::to_string(answer->number_);
    waiting_.emplace(answer->number_, answer.get());
    try {
        answer->session_ = pool_.get(options);
    } catch (const RefusedException &error) {
        answer->refusal_ =
            std::make_unique<Refusal>(Refusal{Reply::Kind::REFUSED, error.status(), error.reportId(), error.what()});
    }
    if (answer->session_) {
        MessageSession::Request request;
        request.environment = answer->environment_;
        if (const auto reply = answer->session_->start(request)) {
            refuse(*answer, *reply);
        }
    }
    if (answer->refusal_) {
        leave(*answer);
    }
    return answer;
}

void PoolRequests::step() {
    do {
        // First what the pool has told the requests: a request that is sent again can then be
        // taken.
        for (Answer *answer : waiting()) {
            poll(*answer);
        }
        for (HeldRequest *held : held_) {
            endIfLost(*held);
        }
        instances_.step([this](DummyInstance &instance, unsigned thread) { take(instance, thread); });
    } while (letPoolRead());
}

/** The loop notices what an instance has sent, or its death, in its next turn, at the latest in the
 *  second one. @return whether there was anything */
bool PoolRequests::letPoolRead() {
    if (!instances_.takeNews()) {
        return false;
    }
    loop_.runSync([] {});
    loop_.runSync([] {});
    return true;
}

std::vector<Answer *> PoolRequests::waiting() const {
    std::vector<Answer *> all;
    all.reserve(waiting_.size());
    for (const auto &[number, answer] : waiting_) {
        all.push_back(answer);
    }
    return all;
}

void PoolRequests::take(DummyInstance &instance, unsigned thread) {
    const auto found = waiting_.find(std::stoull(instance.at(thread)->environment));
    if (found == waiting_.end()) {
        // It has left in the moment when it was taken.
        instance.answer(thread);
        return;
    }
    Answer &answer = *found->second;
    answer.held_ = std::make_unique<HeldRequest>(*this, std::move(answer.session_), instance, thread);
    answer.over_ = true;
    waiting_.erase(found);
}

/** Does what the pool has told the request. */
void PoolRequests::poll(Answer &answer) {
    if (answer.session_->replyWaiting()) {
        refuse(answer, answer.session_->receive(buffer_, -1, std::chrono::milliseconds(-1)));
        leave(answer);
    }
}

void PoolRequests::refuse(Answer &answer, const Reply &reply) {
    answer.refusal_ = std::make_unique<Refusal>(Refusal{reply.kind, reply.status, reply.reportId, reply.text});
}

/** The request is over, in whatever way. */
void PoolRequests::leave(Answer &answer) {
    waiting_.erase(answer.number_);
    answer.session_.reset();
    answer.over_ = true;
}

/** The pool tells the client of a request whose instance died. */
void PoolRequests::endIfLost(HeldRequest &request) {
    if (request.session_ && !request.instance_.alive() && request.session_->replyWaiting()) {
        request.session_->receive(buffer_, -1, std::chrono::milliseconds(-1));
        request.session_.reset();
    }
}

void PoolRequests::finish(HeldRequest &request) {
    if (held_.contains(&request)) {
        end(request);
        step();
    }
}

void PoolRequests::end(HeldRequest &request) {
    held_.erase(&request);
    const auto *working = request.instance_.at(request.thread_);
    if (request.session_ && working != nullptr) {
        request.instance_.answer(request.thread_);
        while (!request.session_->receive(buffer_, -1, std::chrono::milliseconds(-1)).ends()) {
        }
    }
    request.session_.reset();
}

}  // namespace Passenger
