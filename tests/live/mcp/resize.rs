//! A plan for another size of the pool.

use super::*;

#[tokio::test]
async fn a_pool_is_resized_as_planned_after_its_new_size_is_typed() -> Result<()> {
    let scene = Scene::new().await?;
    scene.cluster.execute("ALTER ROLE app CONNECTION LIMIT 10").await?;
    let scene = Scene { url: scene.cluster.superuser_url(), ..scene };
    let size = async || -> Result<i32> {
        let row = scene
            .cluster
            .observer()
            .await?
            .query_one("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'app'", &[])
            .await?;
        Ok(row.get(0))
    };
    let flags = ["--allow-apply", "--controller", "role:app"];
    let planning = json!({"minSize": 15, "sampleMs": 0});
    for (person, status, limit) in [(Person::Mistypes, "not-approved", 10), (Person::Types, "applied", 15)] {
        let agent = scene.agent(Era::Inline, person, &flags).await?;
        let planned = agent.ok("plan_auto_scale", planning.clone()).await?;
        ensure!(planned.content["number"] == 15 && planned.content["pool"]["size"] == 10, "{}", planned.text);
        ensure!(size().await? == 10, "a plan resizes nothing");
        let applied = agent.call("apply_plan", json!({"planId": planned.content["planId"]})).await?;
        ensure!(applied.content["status"] == status, "{}", applied.text);
        ensure!(size().await? == limit, "{}", applied.text);
    }
    // Nothing is left to do, so there is no plan.
    let agent = scene.agent(Era::Inline, Person::Types, &flags).await?;
    let planned = agent.ok("plan_auto_scale", planning).await?;
    ensure!(planned.content.get("planId").is_none(), "{}", planned.text);
    Ok(())
}
