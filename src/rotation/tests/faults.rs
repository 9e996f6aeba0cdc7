//! Every fault at every pair of effects, for every shape of a rotation; the invariants are checked
//! after each step. A failure prints its case and its trace.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use keyrota_rotation::{Decision, Event, Outcome, Phase, Policy};
use world::{FAULTS, Fault, World, policies};

/// More steps than any rotation with two faults needs.
const STEPS_MAX: usize = 400;

/// Drives a rotation to its end with faults at the given effects; the number of effects begun.
fn drive(world: &mut World, faults: &[(usize, Fault)]) -> usize {
    let mut effects = 0;
    let mut resumes = 0;
    for _ in 0..STEPS_MAX {
        let fault = faults
            .iter()
            .find(|(at, _)| *at == effects)
            .map(|(_, fault)| *fault);
        match world.advance(fault) {
            Some(begun) => effects += usize::from(begun),
            None => match world.record.phase {
                Phase::Confirm => world.event(Event::Decided(Decision::Confirm)),
                Phase::Stuck { .. } => {
                    world.check();
                    resumes += 1;
                    assert!(resumes <= 2, "a person resumes at most once per fault");
                    world.event(Event::Decided(Decision::Resume));
                }
                _ => return effects,
            },
        }
        world.check();
    }
    panic!("it never ends");
}

#[allow(clippy::print_stdout, reason = "which case failed")]
fn case(policy: &Policy, faults: &[(usize, Fault)]) -> (usize, bool) {
    let world = || {
        let mut world = World::new(policy.clone());
        world.refresh_ms = 30_000;
        world.through_text = faults.len() < 2;
        world
    };
    let mut quick = world();
    match catch_unwind(AssertUnwindSafe(|| drive(&mut quick, faults))) {
        Ok(effects) => (effects, quick.record.outcome() == Some(Outcome::Rotated)),
        Err(_) => {
            println!("{policy:?}\n{faults:?}");
            drive(&mut world().traced(), faults);
            unreachable!("the same case passes when it is traced");
        }
    }
}

#[test]
fn without_faults_every_shape_rotates() {
    for policy in policies() {
        assert!(case(&policy, &[]).1, "{policy:?}");
    }
}

#[test]
fn every_fault_at_every_pair_of_effects() {
    let mut placements = 0_u64;
    let mut rotated = 0_u64;
    for policy in policies() {
        let mut first = 0;
        loop {
            let mut reached_first = false;
            for a in FAULTS {
                let (effects, _) = case(&policy, &[(first, a)]);
                reached_first |= effects > first;
                for second in first + 1..effects {
                    for b in FAULTS {
                        placements += 1;
                        rotated += u64::from(case(&policy, &[(first, a), (second, b)]).1);
                    }
                }
            }
            if !reached_first {
                break;
            }
            first += 1;
        }
    }
    println!(
        "{placements} placements, {rotated} rotated, {} abandoned",
        placements - rotated
    );
    assert!(placements > 50_000, "{placements}");
    assert!(
        rotated > placements / 3 && rotated < placements,
        "both ends are reached: {rotated}"
    );
}
