//! Rights in a Postgres state: what keyrota's user lacks, as the statements that grant it.

use super::StateError;
use super::db::{Arg, DbRow, Tx};

/// The schema, and what keyrota's user may do with it as a whole.
pub(super) struct Place {
    user: String,
    /// The schema is there.
    pub(super) schema: bool,
    uses: bool,
    makes_tables: bool,
    speaks: bool,
    /// The statement that makes the schema, where keyrota may not make it.
    missing_schema: Option<String>,
}

/// What keyrota's user may do in the database.
const PLACE: &str = "SELECT pg_catalog.quote_ident(current_user), pg_catalog.quote_ident(pg_catalog.current_database()),
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')::int::bigint,
        (s.oid IS NOT NULL)::int::bigint,
        coalesce(pg_catalog.has_schema_privilege(s.oid, 'USAGE'), false)::int::bigint,
        coalesce(pg_catalog.has_schema_privilege(s.oid, 'CREATE'), false)::int::bigint,
        coalesce((SELECT pg_catalog.has_language_privilege(oid, 'USAGE') FROM pg_catalog.pg_language
            WHERE lanname = 'plpgsql'), false)::int::bigint
    FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_namespace s ON s.nspname = 'keyrota'";

/// What the tables need, joined with those that are there.
macro_rules! tables {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM (VALUES ('schema_version', 'SELECT', 1),
                ('facts', 'SELECT', 1), ('facts', 'INSERT', 2), ('facts', 'UPDATE', 3), ('facts', 'DELETE', 4),
                ('lock', 'SELECT', 1), ('lock', 'INSERT', 2), ('lock', 'UPDATE', 3),
                ('secret', 'SELECT', 1), ('secret', 'INSERT', 2), ('secret', 'UPDATE', 3),
                ('rotation', 'SELECT', 1), ('rotation', 'INSERT', 2), ('rotation', 'UPDATE', 3),
                ('delivery', 'SELECT', 1), ('delivery', 'INSERT', 2), ('delivery', 'UPDATE', 3),
                ('delivery', 'DELETE', 4),
                ('audit', 'SELECT', 1), ('audit', 'INSERT', 2),
                ('audit_head', 'SELECT', 1), ('audit_head', 'UPDATE', 3),
                ('checkpoint', 'SELECT', 1), ('checkpoint', 'INSERT', 2)) AS needs (relation, privilege, nth)
            JOIN pg_catalog.pg_class c ON c.relname = needs.relation
            JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace AND s.nspname = 'keyrota' ",
            $rest
        )
    };
}

/// Rights on tables that keyrota's user lacks, to write ($1 is 1) or only to read.
const RIGHTS: &str = tables!(
    "SELECT needs.relation, pg_catalog.string_agg(needs.privilege, ', ' ORDER BY needs.nth)",
    "WHERE NOT pg_catalog.has_table_privilege(c.oid, needs.privilege) AND ($1 = 1::bigint OR needs.nth = 1)
     GROUP BY needs.relation ORDER BY needs.relation"
);

/// Tables of another role: only an owner may bring them up to date.
const OTHERS: &str = tables!(
    "SELECT DISTINCT needs.relation",
    "WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY needs.relation"
);

impl Place {
    /// `None` for SQLite, where the file's mode decides.
    pub(super) async fn look(tx: &mut Tx) -> Result<Option<Self>, StateError> {
        if let Tx::Sqlite(_) = tx {
            return Ok(None);
        }
        let row = tx.row(PLACE, &[]).await?.ok_or(StateError::Corrupt)?;
        let (user, database) = (row.text(0)?, row.text(1)?);
        let yes = |column| Ok::<_, StateError>(row.int(column)? != 0);
        let missing_schema = format!(
            "CREATE SCHEMA keyrota AUTHORIZATION {user} (or GRANT CREATE ON DATABASE {database} TO {user})"
        );
        Ok(Some(Self {
            schema: yes(3)?,
            uses: yes(4)?,
            makes_tables: yes(5)?,
            speaks: yes(6)?,
            missing_schema: (!yes(2)?).then_some(missing_schema),
            user,
        }))
    }

    /// What is needed to make the tables, or to bring those of version `found` up to date.
    pub(super) async fn may_migrate(
        &self,
        tx: &mut Tx,
        found: Option<i64>,
        known: i64,
    ) -> Result<(), StateError> {
        match found {
            None => self.may_make(),
            Some(found) if found < known => self.may_change(tx).await,
            Some(_) => Ok(()),
        }
    }

    fn may_make(&self) -> Result<(), StateError> {
        let user = &self.user;
        let mut missing = Vec::new();
        match (self.schema, &self.missing_schema) {
            (false, Some(make)) => missing.push(make.clone()),
            (false, None) => {}
            (true, _) => {
                if !self.uses {
                    missing.push(self.use_schema());
                }
                if !self.makes_tables {
                    missing.push(format!("GRANT CREATE ON SCHEMA keyrota TO {user}"));
                }
            }
        }
        if !self.speaks {
            missing.push(format!("GRANT USAGE ON LANGUAGE plpgsql TO {user}"));
        }
        lacks(missing)
    }

    /// What is needed on the tables that are there: one that may not be read is no damaged state.
    pub(super) async fn may_use(&self, tx: &mut Tx, writes: bool) -> Result<(), StateError> {
        if !self.uses {
            return lacks(vec![self.use_schema()]);
        }
        let rows = tx.rows(RIGHTS, &[Arg::Int(writes.into())]).await?;
        let user = &self.user;
        let grant = |row: &DbRow| {
            let (table, rights) = (row.text(0)?, row.text(1)?);
            Ok(format!("GRANT {rights} ON keyrota.{table} TO {user}"))
        };
        lacks(rows.iter().map(grant).collect::<Result<_, StateError>>()?)
    }

    async fn may_change(&self, tx: &mut Tx) -> Result<(), StateError> {
        let rows = tx.rows(OTHERS, &[]).await?;
        let user = &self.user;
        let own = |row: &DbRow| {
            let table = row.text(0)?;
            Ok(format!("ALTER TABLE keyrota.{table} OWNER TO {user}"))
        };
        let mut missing = rows
            .iter()
            .map(own)
            .collect::<Result<Vec<_>, StateError>>()?;
        if !self.makes_tables {
            missing.push(format!("GRANT CREATE ON SCHEMA keyrota TO {user}"));
        }
        lacks(missing)
    }

    fn use_schema(&self) -> String {
        format!("GRANT USAGE ON SCHEMA keyrota TO {}", self.user)
    }
}

fn lacks(missing: Vec<String>) -> Result<(), StateError> {
    match missing.is_empty() {
        true => Ok(()),
        false => Err(StateError::Lacks(missing.join("; "))),
    }
}
