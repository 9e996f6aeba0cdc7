//! Every fault at every pair of effects, for every shape of a rotation; the invariants are checked
//! after each step. A failure prints its case and its trace.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use keyrota_rotation::{Decision, Event, Listener, Outcome, Phase, Policy};
use world::{FAULTS, Fault, World, listener, policies};

/// More steps than any rotation with two faults needs.
const STEPS_MAX: usize = 400;

/// What goes wrong in one rotation, and where.
#[derive(Debug, Clone, Default)]
struct Plan {
    /// Faults, each at the effect of that number.
    faults: Vec<(usize, Fault)>,
    /// The listeners of an edited schedule, before the step of that number.
    edit: Option<(usize, Vec<Listener>)>,
}

/// How far a rotation went.
#[derive(Debug, Default)]
struct Reached {
    effects: usize,
    /// How many effects had begun before each step.
    steps: Vec<usize>,
}

/// Drives a rotation to its end.
fn drive(world: &mut World, plan: &Plan) -> Reached {
    let mut reached = Reached::default();
    let mut resumes = 0;
    for step in 0..STEPS_MAX {
        if let Some((_, listeners)) = plan.edit.as_ref().filter(|(at, _)| *at == step) {
            let mut edited = world.record.policy.clone();
            edited.listeners.clone_from(listeners);
            world.edit(&edited);
            world.check();
        }
        let effects = reached.effects;
        reached.steps.push(effects);
        let fault = plan
            .faults
            .iter()
            .find(|(at, _)| *at == effects)
            .map(|(_, fault)| *fault);
        match world.advance(fault) {
            Some(begun) => reached.effects += usize::from(begun),
            None => match world.record.phase {
                Phase::Confirm => world.event(Event::Decided(Decision::Confirm)),
                Phase::Stuck { .. } => {
                    world.check();
                    resumes += 1;
                    assert!(resumes <= 2, "a person resumes at most once per fault");
                    world.event(Event::Decided(Decision::Resume));
                }
                _ => return reached,
            },
        }
        world.check();
    }
    panic!("it never ends");
}

#[allow(clippy::print_stdout, reason = "which case failed")]
fn case(policy: &Policy, plan: &Plan) -> (Reached, bool) {
    let world = || {
        let mut world = World::new(policy.clone());
        world.refresh_ms = 30_000;
        world.through_text = plan.faults.len() < 2 && plan.edit.is_none();
        world
    };
    let mut quick = world();
    match catch_unwind(AssertUnwindSafe(|| drive(&mut quick, plan))) {
        Ok(reached) => (reached, quick.record.outcome() == Some(Outcome::Rotated)),
        Err(_) => {
            println!("{policy:?}\n{plan:?}");
            drive(&mut world().traced(), plan);
            unreachable!("the same case passes when it is traced");
        }
    }
}

fn faults(faults: &[(usize, Fault)]) -> Plan {
    Plan {
        faults: faults.to_vec(),
        edit: None,
    }
}

#[test]
fn without_faults_every_shape_rotates() {
    for policy in policies() {
        assert!(case(&policy, &Plan::default()).1, "{policy:?}");
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
                let effects = case(&policy, &faults(&[(first, a)])).0.effects;
                reached_first |= effects > first;
                for second in first + 1..effects {
                    for b in FAULTS {
                        placements += 1;
                        rotated += u64::from(case(&policy, &faults(&[(first, a), (second, b)])).1);
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

/// What an edit may leave of `before`: listeners added, removed, renamed and changed, at both ends.
fn edited(before: &[Listener]) -> Vec<Vec<Listener>> {
    let new = || listener("new", 0);
    let with = |change: &dyn Fn(&mut Vec<Listener>)| {
        let mut after = before.to_vec();
        change(&mut after);
        after
    };
    let last = before.len() - 1;
    vec![
        vec![],
        with(&|all| all.insert(0, new())),
        with(&|all| all.push(new())),
        with(&|all| drop(all.remove(0))),
        with(&|all| drop(all.pop())),
        with(&|all| all[0] = new()),
        with(&|all| all[last] = new()),
        with(&|all| all[0].definition = "other".to_owned()),
        with(&|all| all[last].definition = "other".to_owned()),
        with(&|all| all.reverse()),
    ]
}

#[test]
fn every_edit_at_every_step_beside_every_fault() {
    let mut placements = 0_u64;
    let mut rotated = 0_u64;
    for policy in policies() {
        let steps = case(&policy, &Plan::default()).0.steps;
        for listeners in edited(&policy.listeners) {
            for (step, begun) in steps.iter().enumerate() {
                let mut run = |faults: &[(usize, Fault)]| {
                    let plan = Plan {
                        faults: faults.to_vec(),
                        edit: Some((step, listeners.clone())),
                    };
                    placements += 1;
                    rotated += u64::from(case(&policy, &plan).1);
                };
                run(&[]);
                // The last effect before the edit fails, and the first ones after it.
                for effect in begun.saturating_sub(1)..begun + 3 {
                    for fault in FAULTS {
                        run(&[(effect, fault)]);
                    }
                }
            }
        }
    }
    println!("{placements} placements of an edit, {rotated} rotated");
    assert!(placements > 50_000, "{placements}");
    assert!(
        rotated > placements / 2 && rotated < placements,
        "{rotated}"
    );
}
