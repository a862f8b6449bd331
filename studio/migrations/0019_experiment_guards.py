"""An experiment stays as it was started, and its arms differ in its parameter alone: whoever writes the rows."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION studio_experiment_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.person_id, NEW.track_id, NEW.parameter, NEW.locked, NEW.locked_digest)
        IS DISTINCT FROM (OLD.person_id, OLD.track_id, OLD.parameter, OLD.locked, OLD.locked_digest) THEN
        RAISE EXCEPTION 'an experiment stays as it was started'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'experiment_stays';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER experiment_stays BEFORE UPDATE ON studio_experiment
    FOR EACH ROW EXECUTE FUNCTION studio_experiment_stays();

CREATE FUNCTION studio_arm_differs_in_one() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked studio_experiment%ROWTYPE;
    made studio_generation%ROWTYPE;
BEGIN
    SELECT * INTO asked FROM studio_experiment WHERE id = NEW.experiment_id;
    SELECT g.* INTO made FROM studio_generation g
        LEFT JOIN studio_track t ON t.id = NEW.reused_id
        WHERE g.id = coalesce(NEW.generation_id, t.generation_id);
    IF made.person_id IS DISTINCT FROM asked.person_id
        OR made.endpoint IS DISTINCT FROM 'text-to-music'
        OR made.num_songs IS DISTINCT FROM 1
        OR made.seed IS DISTINCT FROM (asked.locked ->> 'seed')::bigint
        OR made.recipe - asked.parameter::text IS DISTINCT FROM asked.locked
        OR made.recipe -> asked.parameter IS DISTINCT FROM NEW.value::jsonb THEN
        RAISE EXCEPTION 'an arm differs from its experiment in more than one input'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'arm_differs_in_one';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER arm_differs_in_one BEFORE INSERT OR UPDATE ON studio_arm
    FOR EACH ROW EXECUTE FUNCTION studio_arm_differs_in_one();
"""
BACKWARD = """
DROP TRIGGER arm_differs_in_one ON studio_arm;
DROP FUNCTION studio_arm_differs_in_one();
DROP TRIGGER experiment_stays ON studio_experiment;
DROP FUNCTION studio_experiment_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("studio", "0018_experiments")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
