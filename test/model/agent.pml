/* The pool process: ext/common/pool/ApplicationQueue.cpp, Instances.cpp, ChannelRegistry.cpp; after the death of another one Orphans.cpp. */

#define serves(i) (alive[i] && !told[i] && (instanceLine[i] == published[epoch] || nextLine[i] == published[epoch]))
#define anyServes (serves(0) || serves(1) || serves(2))
#define anyOrphan (orphan[0] || orphan[1] || orphan[2])
#define hasEnded(i) (started[i] && !alive[i] && !dealtWith[i])
#define anyEnded (hasEnded(0) || hasEnded(1) || hasEnded(2))
#define childEnded(s) (!childAlive[s] && !childForgotten[s])
#define reachable(c) ((registered & bit(c)) && !(shut & bit(c)))

/* ChannelRegistry::tell(LOST). Nobody there counts as told. */
inline tellLost() {
    if
    :: reachable(c) && hasRoom(c) -> reply[c]!LOST, t, 0
    :: reachable(c) && !hasRoom(c) -> undelivered = true
    :: else
    fi
}

/* ApplicationQueue::recheckWaiting(): the in-flight tables, then the claims, then each is told. A hint for which there is no room helps nobody. */
inline recheckWaiting() {
    do
    :: other < senders ->
        atomic {
            c = boardChannel[other]; t = boardTicket[other];
            if
            :: t == 0 -> other++
            :: else
            fi
        }
        atomic {
            if
            :: t > 0 && !anyHolds(c, t) && reachable(c) && hasRoom(c) -> reply[c]!RECHECK, t, 0; other++
            :: t > 0 && !(!anyHolds(c, t) && reachable(c) && hasRoom(c)) -> other++
            :: t == 0
            fi;
            c = 0; t = 0
        }
    :: else -> other = 0; break
    od
}

/* ApplicationQueue::giveUp() for an instance of ours that has ended. */
inline giveUp(i) {
    atomic {
        if
        :: claims[i].channel > 0 && mutant != DEATH_NOT_TOLD ->
            c = claims[i].channel - 1; t = claims[i].ticket;
            if
            :: mutant == CLEAR_BEFORE_LOST -> claims[i].channel = 0; claims[i].ticket = 0
            :: else -> tellLost()
            fi
        :: else
        fi
    }
    atomic {
        if
        :: mutant == CLEAR_BEFORE_LOST && t > 0 -> tellLost()
        :: else
        fi;
        c = 0; t = 0
    }
    recheckWaiting();
    atomic {                                    /* ClaimCells::free() */
        if
        :: undelivered && mutant != CLEAR_UNDELIVERED -> claims[i].died = true
        :: else -> claims[i].channel = 0; claims[i].ticket = 0
        fi;
        undelivered = false;
        dealtWith[i] = true;
        n = 0
    }
}

/* Group::putToWork(): it takes requests as soon as it is told to; then Group::join(): its deposit. */
inline spawn() {
    atomic {
        n = 0;
        do
        :: n < INSTANCES && started[n] -> n++
        :: else -> break
        od;
        started[n] = true; alive[n] = true; instanceEpoch[n] = epoch; instanceLine[n] = lines;
        run Instance(n)
    }
    atomic { deposited[n] = true; n = 0 }
}

/* The descriptor store holds what is deposited: Orphans::restore(). The others see the old agent's end. */
inline restore() {
    atomic {
        do
        :: n < INSTANCES ->
            if
            :: told[n] = started[n]
            :: started[n] && deposited[n] && !told[n] -> orphan[n] = true
            fi;
            n++
        :: else -> n = 0; break
        od
    }
    do
    :: n < lines -> atomic { n++; shutDown[n] = true }
    :: else -> n = 0; break
    od
}

/* Children::ended(): ChannelRegistry::removeSender(), then Group::channelsGone(). */
inline forgetChild(child) {
    atomic { registered = registered & ~childChannels[child]; boardTicket[child] = 0; boardChannel[child] = 0 }
    atomic {
        do
        :: c < channels ->
            if
            :: childChannels[child] & bit(c) -> mark[c] = ALL
            :: else
            fi;
            c++
        :: else -> break
        od;
        c = 0; n = 0;
        childForgotten[child] = true
    }
}

proctype Agent(byte epoch) {
    byte n, c, t, other;
    bool undelivered;

    {
        if
        :: epoch > 1 ->
            restore();
            atomic { lines++; assert(lines < LINES); published[epoch] = lines }   /* ATTACH */
        :: else
        fi;
        do
        :: !anyServes && !anyOrphan && !started[INSTANCES - 1] -> spawn()

        ::  atomic {                            /* Orphans::take(), Process::beginToServe() */
                anyOrphan ->
                do
                :: orphan[n] -> break
                :: else -> n++
                od;
                orphan[n] = false; nextLine[n] = lines; nextEpoch[n] = epoch;
                known[n] = known[n] & (handTicket[n] > 0 -> bit(handChannel[n]) : 0);
                n = 0
            }

        :: atomic { deploys > 0 && anyServes && !started[INSTANCES - 1] -> deploys--; lines++; assert(lines < LINES) }
            spawn();
            /* Succession::takeOver(): ApplicationQueue::makeCurrent(), Instances::retireOlderThan() */
            atomic { published[epoch] = lines }
            atomic { shutDown[lines - 1] = true }
            recheckWaiting();
            atomic {
                do
                :: n < INSTANCES -> told[n] = told[n] || (started[n] && instanceLine[n] < lines); n++
                :: else -> n = 0; break
                od
            }

        ::  atomic {                            /* Process's pidfd */
                anyEnded ->
                do
                :: hasEnded(n) -> break
                :: else -> n++
                od
            }
            if
            :: instanceEpoch[n] == epoch -> giveUp(n)
            :: else ->
                atomic {                        /* FormerClaims::noteDeath() */
                    claims[n].died = (deposited[n] && claims[n].channel > 0 && mutant != DEATH_NOT_MARKED);
                    dealtWith[n] = true;
                    n = 0
                }
            fi

        :: atomic { childEnded(0) -> n = 0 } forgetChild(n)
        :: atomic { childEnded(1) -> n = 1 } forgetChild(n)
        od
    } unless { !agentAlive || agentEpoch != epoch }
}
