//! The answer, for people and for programs.

use std::fmt;

use crate::{Problem, Skipped};

/// What the gate says about one environment. `Display` is the text that the command line prints, one
/// line per problem in aligned columns; [`Report::to_json`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The name of the environment.
    pub environment: String,
    /// What is wrong; empty when the environment is fit.
    pub problems: Vec<Problem>,
    /// The lines of its file that were passed over.
    pub skipped: Vec<Skipped>,
}

impl Report {
    /// Whether the program may start.
    pub fn fit(&self) -> bool {
        self.problems.is_empty()
    }

    /// One line of JSON without a line break. Members are only ever added while `schema_version` is
    /// 1; `secret` is absent where keyrota does not keep the variable, and `skipped` where no line was.
    pub fn to_json(&self) -> String {
        // Written by hand to keep the documented order of the members; a map would sort them.
        let problems: Vec<String> = self.problems.iter().map(problem_json).collect();
        let skipped: Vec<String> = self
            .skipped
            .iter()
            .map(|s| s.to_json().to_string())
            .collect();
        let skipped = match skipped.is_empty() {
            true => String::new(),
            false => format!(r#","skipped":[{}]"#, skipped.join(",")),
        };
        format!(
            r#"{{"schema_version":1,"environment":{},"fit":{},"problems":[{}]{skipped}}}"#,
            quoted(&self.environment),
            self.fit(),
            problems.join(",")
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = &self.environment;
        match self.problems.len() {
            0 => return writeln!(f, "keyrota: {environment} is fit to start"),
            1 => writeln!(f, "keyrota: {environment} is not fit to start: 1 problem")?,
            many => writeln!(
                f,
                "keyrota: {environment} is not fit to start: {many} problems"
            )?,
        }
        let widest = |width: fn(&Problem) -> usize| self.problems.iter().map(width).max();
        let variables = widest(|problem| problem.variable.chars().count()).unwrap_or(0);
        let codes = widest(|problem| problem.code.as_str().len()).unwrap_or(0);
        for problem in &self.problems {
            let Problem {
                variable,
                code,
                remedy,
                ..
            } = problem;
            writeln!(f, "  {variable:variables$}   {code:codes$}  {remedy}")?;
        }
        Ok(())
    }
}

impl Skipped {
    /// One member of `skipped`: the line, and the variable that it sets, if it sets one.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.variable {
            Some(variable) => serde_json::json!({"line": self.line, "variable": variable}),
            None => serde_json::json!({"line": self.line}),
        }
    }
}

fn problem_json(problem: &Problem) -> String {
    let secret = match &problem.secret {
        Some(secret) => format!(r#""secret":{},"#, quoted(secret)),
        None => String::new(),
    };
    format!(
        r#"{{"variable":{},"code":"{}",{secret}"remedy":{}}}"#,
        quoted(&problem.variable),
        problem.code,
        quoted(&problem.remedy)
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::Code;

    fn report() -> Report {
        let problem = |variable: &str, code, secret: Option<&str>, remedy: &str| Problem {
            variable: variable.into(),
            code,
            secret: secret.map(Into::into),
            remedy: remedy.into(),
        };
        let set = r#"set it from secret "database-url""#;
        Report {
            environment: "production".into(),
            problems: vec![
                problem("DATABASE_URL", Code::Missing, Some("database-url"), set),
                problem(
                    "JWT_SECRET",
                    Code::Placeholder,
                    None,
                    "replace the example value",
                ),
            ],
            skipped: Vec::new(),
        }
    }

    #[test]
    fn text_is_aligned() {
        let expected = "\
keyrota: production is not fit to start: 2 problems
  DATABASE_URL   missing      set it from secret \"database-url\"
  JWT_SECRET     placeholder  replace the example value
";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn one_problem_is_singular_and_none_is_fit() {
        let mut report = report();
        report.problems.pop();
        assert!(
            report
                .to_string()
                .starts_with("keyrota: production is not fit to start: 1 problem\n")
        );
        report.problems.pop();
        assert_eq!(report.to_string(), "keyrota: production is fit to start\n");
        let json = r#"{"schema_version":1,"environment":"production","fit":true,"problems":[]}"#;
        assert_eq!(report.to_json(), json);
        let skipped = |line, variable: Option<&str>| Skipped {
            line,
            variable: variable.map(Into::into),
        };
        report.skipped = vec![skipped(1, None), skipped(4, Some("OTHER"))];
        let json = r#"{"schema_version":1,"environment":"production","fit":true,"problems":[],"skipped":[{"line":1},{"line":4,"variable":"OTHER"}]}"#;
        assert_eq!(report.to_json(), json);
    }

    #[test]
    fn json_is_one_line_in_the_documented_order() {
        let json = report().to_json();
        let expected = concat!(
            r#"{"schema_version":1,"environment":"production","fit":false,"problems":["#,
            r#"{"variable":"DATABASE_URL","code":"missing","secret":"database-url","#,
            r#""remedy":"set it from secret \"database-url\""},"#,
            r#"{"variable":"JWT_SECRET","code":"placeholder","remedy":"replace the example value"}]}"#,
        );
        assert_eq!(json, expected);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            read["problems"][0]["remedy"],
            r#"set it from secret "database-url""#
        );
    }
}
